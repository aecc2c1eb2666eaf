"""Streamed chat completions over HTTP, ended at any moment by closing the connection.

One thread with an event loop does the waiting for a model's streams, so that a request can be dropped in whatever state
it is: connecting, waiting for the first byte, in mid-stream. Whoever asked waits in a thread of its own (``Mailbox``).
"""

import asyncio
import importlib
import json
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import openai

from greenloop.models.mailbox import Mailbox
from greenloop.models.seam import Chunk, Done, Halt
from greenloop.models.thoughts import Gathering, too_long
from greenloop.models.tool_calls import Uses
from greenloop.records import GreenloopError, ModelError

# the client stands on httpx or on httpx2, by its version, and lets their errors through while an answer is read
_HTTP = importlib.import_module(openai.Timeout.__init__.__module__.partition(".")[0])
HTTP_ERROR: type[Exception] = _HTTP.HTTPError
HTTP_TIMEOUT: type[Exception] = _HTTP.TimeoutException
CUT = "did the server stop? look at its log"
_FRAMES = 16
"""What JSON around each token adds: a stream may have so many times the bytes of its reply."""
_ESCAPES = 2
"""What JSON adds to a long text: line ends and quotes are two characters, and few are more."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long and how large a streamed answer may be."""

    first_byte_seconds: float = 120.0
    """Until something of the answer comes, attempts included."""
    idle_seconds: float = 60.0
    """Between two pieces."""
    total_seconds: float = 600.0
    max_bytes: int = 4 << 20
    thought_tokens: int = 0
    """Tokens that a reasoning model may think before it answers, beside the reply's own; 0: they count among these."""


class Whole:
    """An answer that is no stream, as it comes: at most so many bytes as its replies may have."""

    def __init__(self, who: str, max_bytes: int, replies: int) -> None:
        self.held = bytearray()
        self._who = who
        self._max_bytes = max_bytes
        self._most = _ESCAPES * max_bytes * replies

    def add(self, piece: bytes) -> None:
        """Take in what came. Raises ``ModelError`` when it is too much."""
        self.held += piece
        if len(self.held) > self._most:
            raise too_long(self._who, self._max_bytes)


class NoStreamError(Exception):
    """The server answered with a whole completion: here are its bytes."""

    def __init__(self, content: bytes) -> None:
        super().__init__("no stream")
        self.content = content


class Streams:
    """The streams of one server. ``who`` names it in errors."""

    def __init__(
        self, base_url: str, api_key: str, bounds: Bounds, *, retries: int, connect_seconds: float, who: str
    ) -> None:
        self._bounds = bounds
        self._who = who
        self._options: dict[str, Any] = {"base_url": base_url, "api_key": api_key, "max_retries": retries}
        self._connect_seconds = connect_seconds
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: openai.AsyncOpenAI | None = None

    def run(self, body: Mapping[str, Any], stop: Halt | None) -> Iterator[Chunk]:
        """Yield what the server answers to one request.

        Raises ``Cancelled``, ``ModelError``, ``NoStreamError``, and what the ``openai`` client raises.
        """
        if stop is not None:
            stop.check()
        mailbox: Mailbox[Chunk | BaseException | None] = Mailbox()
        work = self._begin(self._ask(dict(body), mailbox))
        try:
            while (item := mailbox.get(stop)) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            # cancelling a request closes its connection, which is what ends the model's work
            work.cancel()
            mailbox.close()

    def close(self) -> None:
        """End the thread and the connections. Harmless when repeated."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    async def _end(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _begin(self, work: Coroutine[Any, Any, None]) -> "Future[None]":
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="greenloop-model-streams", daemon=True
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _connected(self) -> openai.AsyncOpenAI:
        if self._client is None:
            # the other waits are bounded in `_ask`, by one clock; what is given is not looked for in the environment
            self._client = openai.AsyncOpenAI(
                **self._options, timeout=openai.Timeout(None, connect=self._connect_seconds),
                organization="", project="", admin_api_key="", webhook_secret="",
            )  # fmt: skip
            self._client.organization = self._client.project = None
        return self._client

    async def _ask(self, body: dict[str, Any], mailbox: "Mailbox[Chunk | BaseException | None]") -> None:
        """Put what comes into the mailbox, then ``None`` or what went wrong."""
        bounds = self._bounds
        waited = bounds.first_byte_seconds
        try:
            async with asyncio.timeout(bounds.total_seconds) as total, asyncio.timeout(waited) as next_piece:
                async for chunk in self._chunks(body):
                    loop = asyncio.get_running_loop()
                    waited = bounds.idle_seconds
                    next_piece.reschedule(loop.time() + waited)
                    mailbox.put(chunk)
        except TimeoutError:
            waited = bounds.total_seconds if total.expired() else waited
            mailbox.put(ModelError(f"{self._who}: no answer within {waited:g} s", "is it overloaded? allow more time"))
        except (GreenloopError, openai.OpenAIError, NoStreamError) as error:
            mailbox.put(error)
        except HTTP_ERROR as error:
            mailbox.put(ModelError(f"{self._who}: the answer was cut off: {error}", CUT))
        else:
            mailbox.put(None)

    async def _chunks(self, body: dict[str, Any]) -> AsyncIterator[Chunk]:
        client = self._connected()
        async with client.chat.completions.with_streaming_response.create(**body, stream=True) as response:
            if "json" in response.headers.get("content-type", ""):
                raise NoStreamError(await self._whole(response.iter_bytes(), int(body.get("n", 1))))
            reading = _Reading(self._who, self._bounds)
            async for data in self._data(response.iter_bytes()):
                for chunk in reading.take(data):
                    yield chunk
                if reading.enough:
                    break
            for chunk in reading.finish():
                yield chunk

    async def _whole(self, pieces: AsyncIterator[bytes], replies: int) -> bytes:
        """Return an answer that is no stream."""
        whole = Whole(self._who, self._bounds.max_bytes, replies)
        async for piece in pieces:
            whole.add(piece)
        return bytes(whole.held)

    async def _data(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the data of each server-sent event up to ``[DONE]``; chat completions have one line of it an event."""
        held, seen, total = bytearray(), 0, 0
        most = self._bounds.max_bytes
        async for piece in pieces:
            total += len(piece)
            held += piece
            while (end := held.find(b"\n", seen)) >= 0:
                line, held, seen = bytes(held[:end]).strip(), held[end + 1 :], 0
                if line == b"data: [DONE]":
                    return
                if line.startswith(b"data:"):
                    yield line[5:]
            seen = len(held)
            if total > _FRAMES * most or len(held) > _ESCAPES * most:
                raise too_long(self._who, most)


class _Reading:
    """The events of one stream, put together as replies."""

    def __init__(self, who: str, bounds: Bounds) -> None:
        self._who = who
        self._bounds = bounds
        self._open: dict[int, Gathering] = {}
        self._ended: dict[int, str] = {}
        self._done: set[int] = set()
        self._uses: dict[int, Uses] = {}
        self._usage: object = None

    @property
    def enough(self) -> bool:
        """Whether every reply that is not complete has thought for longer than it may."""
        left = [one for index, one in self._open.items() if index not in self._ended]
        return bool(left) and all(one.thought_out for one in left)

    def take(self, data: bytes) -> Iterator[Chunk]:
        event = self._object(data)
        fault = event.get("error")
        if fault:
            said = fault.get("message") if isinstance(fault, dict) else fault
            raise ModelError(f"{self._who}: the server failed in mid-stream: {str(said)[:200]}", CUT)
        self._usage = event.get("usage") or self._usage
        choices = event.get("choices") or []
        for choice in choices if isinstance(choices, list) else [choices]:
            if not isinstance(choice, dict) or not isinstance(choice.get("delta") or {}, dict):
                raise self._garbage(data)
            yield from self._take_choice(choice)

    def _object(self, data: bytes) -> dict[str, Any]:
        try:
            event = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self._garbage(data) from error
        if not isinstance(event, dict):
            raise self._garbage(data)
        return event

    def _garbage(self, data: bytes) -> ModelError:
        shown = data[:80].decode("utf-8", "replace")
        return ModelError(
            f"{self._who}: the stream holds what is no chat completion: {shown!r}",
            "is this the address of a server with OpenAI's API?",
        )

    def _take_choice(self, choice: dict[str, Any]) -> Iterator[Chunk]:
        index = choice.get("index")
        index = index if isinstance(index, int) else 0
        making = self._open.get(index)
        if making is None:
            bounds = self._bounds
            making = Gathering(index, self._who, max_bytes=bounds.max_bytes, thought_tokens=bounds.thought_tokens)
            self._open[index] = making
        delta = choice.get("delta") or {}
        yield from making.add(
            _text(delta.get("content")), _text(delta.get("reasoning_content") or delta.get("reasoning"))
        )
        self._uses.setdefault(index, Uses(self._who)).add(delta.get("tool_calls"))
        reason = choice.get("finish_reason")
        if reason:
            self._ended[index] = str(reason)
            if len(self._open) > 1 or index:
                # several replies: each counts as soon as it is there, and the tokens are told for all alone
                yield from self._finish(index)

    def finish(self) -> Iterator[Chunk]:
        if not self._open:
            raise ModelError(
                f"{self._who}: the stream ended and held no reply", "is it a server of chat completions? see its log"
            )
        for index, making in self._open.items():
            if index in self._ended:
                yield from self._finish(index)
            elif making.thought_out:
                self._ended[index] = "thought-limit"
                yield from self._finish(index)
            else:
                raise ModelError(f"{self._who}: the answer was cut off in mid-stream", CUT)

    def _finish(self, index: int) -> Iterator[Chunk]:
        if index in self._done:
            return
        self._done.add(index)
        usage = self._usage if isinstance(self._usage, dict) else {}
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        prompt, reply = (count if isinstance(count, int) else 0 for count in counts)
        alone = len(self._open) == 1
        uses = self._uses[index].finish()
        for chunk in self._open[index].finish(self._ended[index], prompt, reply if alone else 0):
            yield replace(chunk, reply=replace(chunk.reply, uses=uses)) if isinstance(chunk, Done) else chunk


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
