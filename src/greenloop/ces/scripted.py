"""The fakes of the service's seams, as public API: a backend, a judge, books and builds that follow a script."""

import asyncio
import hashlib
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass

from greenloop.builds.stop import Stop
from greenloop.ces.seams import Asked
from greenloop.records import (
    Conflict,
    Evaluation,
    EvaluationRequest,
    GreenloopError,
    InputError,
    RecordError,
    Status,
    TreeId,
    WarmBuild,
)

Answer = Evaluation | Status | GreenloopError
"""A whole evaluation; a bare status; or an error to raise."""
Script = Callable[[EvaluationRequest], Answer]


def scripted_id(request: EvaluationRequest) -> str:
    """Return the id of a request: equal for equal content, whatever its idempotency key."""
    plain = request.model_copy(update={"idempotency_key": None, "fresh": False})
    return hashlib.sha256(plain.to_json().encode()).hexdigest()


def answer(script: Script, request: EvaluationRequest, fingerprint: str = "scripted") -> Evaluation:
    """Return what the script says to a request, as an evaluation; raise the error that it says."""
    said = script(request)
    if isinstance(said, GreenloopError):
        raise said
    if isinstance(said, Evaluation):
        return said.model_copy(update={"id": scripted_id(request)})
    return Evaluation(id=scripted_id(request), status=said, suite=request.suite, toolchain=fingerprint)


@dataclass(frozen=True)
class ScriptedJudged:
    """What a scripted judge answers."""

    evaluation: Evaluation
    log: str = ""


class ScriptedJudge:
    """Answers by ``script`` after ``seconds``; killed at once when its stop is requested.

    ``asked`` lists the requests begun; ``working`` counts those at work, ``most`` is the largest that it ever was, and
    ``killed`` counts those that were ended.
    """

    def __init__(
        self,
        script: Script = lambda _request: Status.GREEN,
        *,
        seconds: float | Callable[[EvaluationRequest], float] = 0.0,
    ) -> None:
        self._script = script
        self._seconds = seconds
        self._lock = threading.Lock()
        self.asked: list[EvaluationRequest] = []
        self.working = 0
        self.most = 0
        self.killed = 0

    def ask(self, request: EvaluationRequest) -> Asked:
        """See ``seams.Judges.ask``."""
        return Asked(scripted_id(request), lambda stop: self._judge(request, stop))

    def _judge(self, request: EvaluationRequest, stop: Stop) -> ScriptedJudged:
        with self._lock:
            self.asked.append(request)
            self.working += 1
            self.most = max(self.most, self.working)
        try:
            seconds = self._seconds(request) if callable(self._seconds) else self._seconds
            if seconds:
                select.select([stop], [], [], seconds)
            if stop.requested:
                with self._lock:
                    self.killed += 1
            stop.check()
            return ScriptedJudged(answer(self._script, request), log="scripted\n")
        finally:
            with self._lock:
                self.working -= 1


class ScriptedBooks:
    """Books in memory; what they hold ends with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[str, str]] = {}
        self._keys: dict[str, tuple[str, str]] = {}

    def get(self, evaluation_id: str) -> Evaluation | None:
        """See ``seams.Books.get``."""
        found = self._kept.get(evaluation_id)
        return None if found is None else Evaluation.from_json(found[0])

    def stored(self, evaluation_id: str) -> str | None:
        """Return an evaluation as it was stored."""
        found = self._kept.get(evaluation_id)
        return None if found is None else found[0]

    def put(self, evaluation: Evaluation, log: str = "", *, key: str | None = None, request: str = "") -> None:
        """See ``seams.Books.put``."""
        if evaluation.status is Status.INFRA_ERROR:
            raise RecordError("an infrastructure error is never stored")
        with self._lock:
            if key is not None:
                self._bind(key, request, evaluation.id)
            self._kept[evaluation.id] = (evaluation.to_json(), log)

    def bind(self, key: str, request: str, evaluation_id: str) -> None:
        """See ``seams.Books.bind``."""
        with self._lock:
            self._bind(key, request, evaluation_id)

    def _bind(self, key: str, request: str, evaluation_id: str) -> None:
        if self._keys.get(key, (request, ""))[0] != request:
            raise Conflict(f"the idempotency key {key!r} was used for another request")
        self._keys[key] = (request, evaluation_id)

    def by_key(self, key: str) -> tuple[str, str] | None:
        """See ``seams.Books.by_key``."""
        return self._keys.get(key)

    def log(self, evaluation_id: str) -> str | None:
        """See ``seams.Books.log``."""
        found = self._kept.get(evaluation_id)
        return None if found is None else found[1]

    def __len__(self) -> int:
        return len(self._kept)


class ScriptedBuilds:
    """Knows the revisions that it is given, or all when it is given none; one is green ``looks`` looks later."""

    def __init__(self, revisions: dict[str, TreeId] | None = None, *, looks: int = 0) -> None:
        self._revisions = revisions
        self._looks = looks
        self._lock = threading.Lock()
        self._held: dict[str, WarmBuild] = {}

    def warm_later(self, revision: str) -> WarmBuild:
        """See ``seams.Builds.warm_later``."""
        tree = hashlib.sha1(revision.encode(), usedforsecurity=False).hexdigest()
        if self._revisions is not None:
            if revision not in self._revisions:
                raise InputError(f"{revision}: no such revision", "the script names others")
            tree = self._revisions[revision]
        with self._lock:
            state = "warming" if self._looks else "green"
            return self._held.setdefault(revision, WarmBuild(revision=revision, tree=tree, state=state))

    def builds(self) -> tuple[WarmBuild, ...]:
        """See ``seams.Builds.builds``."""
        with self._lock:
            self._looks = max(0, self._looks - 1)
            if not self._looks:
                self._held = {name: one.model_copy(update={"state": "green"}) for name, one in self._held.items()}
            return tuple(reversed(self._held.values()))


class ScriptedBackend:
    """A ``Backend`` without threads or queue. ``asked`` and ``cancelled`` list the requests begun and ended early."""

    def __init__(
        self,
        script: Script = lambda _request: Status.GREEN,
        *,
        seconds: float = 0.0,
        revisions: dict[str, TreeId] | None = None,
        fault: GreenloopError | None = None,
    ) -> None:
        """``fault`` is raised by ``start``."""
        self._script = script
        self._seconds = seconds
        self._builds = ScriptedBuilds(revisions)
        self._fault = fault
        self.asked: list[EvaluationRequest] = []
        self.cancelled: list[EvaluationRequest] = []
        self.closed = False

    @property
    def fingerprint(self) -> str:
        """See ``Backend.fingerprint``."""
        return "0" * 64

    async def start(self) -> None:
        """See ``Backend.start``."""
        if self._fault is not None:
            raise self._fault

    async def evaluate(self, request: EvaluationRequest) -> Evaluation:
        """See ``Backend.evaluate``."""
        self.asked.append(request)
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            self.cancelled.append(request)
            raise
        return answer(self._script, request)

    async def warm(self, revision: str) -> WarmBuild:
        """See ``Backend.warm``."""
        return self._builds.warm_later(revision)

    def builds(self) -> tuple[WarmBuild, ...]:
        """See ``Backend.builds``."""
        return self._builds.builds()

    async def close(self) -> None:
        """See ``Backend.close``."""
        self.closed = True
