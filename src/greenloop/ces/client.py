"""Clients of the code evaluation service, for threads and for asyncio.

Both speak over a Unix socket or to a URL, raise the errors of ``records.errors``, and try again what is safe to try
again: when the service is full or restarting (after as long as it says), and when the connection is lost. A lost
answer is no second judgement: equal content finds the stored one, and a request for a ``fresh`` judgement carries an
idempotency key. What a client stops waiting for is killed by the service. Nothing is read from the environment.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from greenloop.ces.calls import (
    Answer,
    Batch,
    Line,
    Outcome,
    answered,
    problem,
    read,
    read_builds,
    read_trees,
    safe,
    warm_body,
)
from greenloop.ces.wire import JSON, NDJSON, PACK
from greenloop.records import (
    Evaluation,
    EvaluationRequest,
    InfrastructureError,
    Overloaded,
    TreeId,
    WarmBuild,
)

__all__ = ["Answer", "AsyncClient", "Client"]

_POLL_SECONDS = 0.05
_BATCH = "/v1/evaluations:batch"
_TROUBLE = (httpx.TransportError, Overloaded, InfrastructureError)


class Client:
    """The client for plain functions; safe to share between threads. Close it, or use it in ``with``."""

    def __init__(self, address: str | Path, *, token: str = "", seconds: float = 600.0, tries: int = 6) -> None:
        """``address``: the path of a Unix socket (``unix:`` may stand before it), or a URL.

        ``seconds``: how long to wait for one answer; ``tries``: how often a request is sent at the most.
        """
        self._line = Line(address, token, seconds, tries)
        transport = httpx.HTTPTransport(uds=self._line.socket, trust_env=False)
        self._http = httpx.Client(transport=transport, **self._line.settings)

    @property
    def address(self) -> str:
        """Where the service is, as it was given."""
        return self._line.address

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections; the service kills what they waited for."""
        self._http.close()

    def evaluate(self, request: EvaluationRequest) -> Evaluation:
        """Judge one edit. Raises ``InputError``, ``Overloaded`` after the last try, ``EnvironmentFault``."""
        return read(Evaluation, self._post("/v1/evaluations", safe(request).to_json().encode(), JSON))

    def batch(self, requests: Iterable[EvaluationRequest]) -> Iterator[tuple[int, Answer]]:
        """Judge many; yields (index from 0, evaluation or error) in the order of completion.

        Raises what befalls the batch as a whole; no answer that was yielded is lost or comes twice.
        """
        batch = Batch(self._line, requests)
        while batch.fill():
            try:
                with self._http.stream(
                    "POST", _BATCH, content=batch.body(), headers={"content-type": NDJSON}
                ) as response:
                    if response.status_code != 200:
                        response.read()
                        raise problem(response)
                    for chunk in response.iter_bytes():
                        yield from batch.read(chunk)
                pause = batch.end()
            except _TROUBLE as error:
                pause = batch.fail(error)
            yield from batch.given_up()
            time.sleep(pause)

    def evaluation(self, evaluation_id: str) -> Evaluation:
        """Return a stored evaluation. Raises ``InputError`` when there is none."""
        return read(Evaluation, self._get(f"/v1/evaluations/{evaluation_id}"))

    def log(self, evaluation_id: str) -> str:
        """Return what the tools printed on the way to an evaluation. Raises ``InputError`` when there is none."""
        return self._get(f"/v1/evaluations/{evaluation_id}/log").text

    def warm(self, revision: str) -> WarmBuild:
        """Begin to warm a revision; returns what is known of it now."""
        return read(WarmBuild, self._post("/v1/builds", warm_body(revision), JSON))

    def builds(self) -> tuple[WarmBuild, ...]:
        """Return the warm builds."""
        return read_builds(self._get("/v1/builds"))

    def add_pack(self, path: Path) -> tuple[TreeId, ...]:
        """Send a pack of trees that ``TreeStore.export_pack`` wrote; returns what ``base_tree`` may name now."""
        return read_trees(self._send("PUT", "/v1/packs", path.read_bytes(), PACK))

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Wait until the service can judge. Raises ``EnvironmentFault`` when it cannot after ``seconds``."""
        end = time.monotonic() + seconds
        while not answered(outcome := self._try("GET", "/readyz")):
            if time.monotonic() > end:
                raise self._line.fault(outcome)
            time.sleep(_POLL_SECONDS)

    def _get(self, path: str) -> httpx.Response:
        return self._send("GET", path, None, "")

    def _post(self, path: str, body: bytes, kind: str) -> httpx.Response:
        return self._send("POST", path, body, kind)

    def _send(self, method: str, path: str, body: bytes | None, kind: str) -> httpx.Response:
        attempt = 1
        while not answered(outcome := self._try(method, path, body, kind)):
            time.sleep(self._line.pause_after(attempt, outcome))
            attempt += 1
        return outcome

    def _try(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> Outcome:
        headers = {"content-type": kind} if kind else {}
        try:
            return self._http.request(method, path, content=body, headers=headers)
        except httpx.TransportError as lost:
            return lost


class AsyncClient:
    """The client for asyncio: the same methods, awaited. Cancelling a task kills its work at the service."""

    def __init__(self, address: str | Path, *, token: str = "", seconds: float = 600.0, tries: int = 6) -> None:
        """See ``Client``."""
        self._line = Line(address, token, seconds, tries)
        # as many connections as there are waiting tasks: each ends with its own task only
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        transport = httpx.AsyncHTTPTransport(uds=self._line.socket, limits=limits, trust_env=False)
        self._http = httpx.AsyncClient(transport=transport, **self._line.settings)

    @property
    def address(self) -> str:
        """Where the service is, as it was given."""
        return self._line.address

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """See ``Client.close``."""
        await self._http.aclose()

    async def evaluate(self, request: EvaluationRequest) -> Evaluation:
        """See ``Client.evaluate``."""
        return read(Evaluation, await self._post("/v1/evaluations", safe(request).to_json().encode(), JSON))

    async def batch(self, requests: Iterable[EvaluationRequest]) -> AsyncIterator[tuple[int, Answer]]:
        """See ``Client.batch``."""
        batch = Batch(self._line, requests)
        while batch.fill():
            try:
                async with self._http.stream(
                    "POST", _BATCH, content=batch.body(), headers={"content-type": NDJSON}
                ) as response:
                    if response.status_code != 200:
                        await response.aread()
                        raise problem(response)
                    async for chunk in response.aiter_bytes():
                        for answer in batch.read(chunk):
                            yield answer
                pause = batch.end()
            except _TROUBLE as error:
                pause = batch.fail(error)
            for refused in batch.given_up():
                yield refused
            await asyncio.sleep(pause)

    async def evaluation(self, evaluation_id: str) -> Evaluation:
        """See ``Client.evaluation``."""
        return read(Evaluation, await self._get(f"/v1/evaluations/{evaluation_id}"))

    async def log(self, evaluation_id: str) -> str:
        """See ``Client.log``."""
        return (await self._get(f"/v1/evaluations/{evaluation_id}/log")).text

    async def warm(self, revision: str) -> WarmBuild:
        """See ``Client.warm``."""
        return read(WarmBuild, await self._post("/v1/builds", warm_body(revision), JSON))

    async def builds(self) -> tuple[WarmBuild, ...]:
        """See ``Client.builds``."""
        return read_builds(await self._get("/v1/builds"))

    async def add_pack(self, path: Path) -> tuple[TreeId, ...]:
        """See ``Client.add_pack``."""
        return read_trees(await self._send("PUT", "/v1/packs", await asyncio.to_thread(path.read_bytes), PACK))

    async def wait_ready(self, seconds: float = 60.0) -> None:
        """See ``Client.wait_ready``."""
        end = time.monotonic() + seconds
        while not answered(outcome := await self._try("GET", "/readyz")):
            if time.monotonic() > end:
                raise self._line.fault(outcome)
            await asyncio.sleep(_POLL_SECONDS)

    async def _get(self, path: str) -> httpx.Response:
        return await self._send("GET", path, None, "")

    async def _post(self, path: str, body: bytes, kind: str) -> httpx.Response:
        return await self._send("POST", path, body, kind)

    async def _send(self, method: str, path: str, body: bytes | None, kind: str) -> httpx.Response:
        attempt = 1
        while not answered(outcome := await self._try(method, path, body, kind)):
            await asyncio.sleep(self._line.pause_after(attempt, outcome))
            attempt += 1
        return outcome

    async def _try(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> Outcome:
        headers = {"content-type": kind} if kind else {}
        try:
            return await self._http.request(method, path, content=body, headers=headers)
        except httpx.TransportError as lost:
            return lost
