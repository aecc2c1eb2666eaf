"""Fakes for tests of clients and editors: a service that answers by a script, and a peer that remembers."""

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Empty, Encoding, Message
from greenloop.aid.protocol.catalogue import Method, Notification, P, R
from greenloop.aid.protocol.session import (
    BuildState,
    FileSaved,
    Status,
    WorkspaceOpen,
    WorkspaceRef,
    WorkspaceState,
    WorkspaceTrust,
)
from greenloop.aid.protocol.turns import (
    FileChange,
    FileText,
    Handover,
    Hunk,
    Outcome,
    Proposed,
    Stage,
    SuggestionAccept,
    TurnCandidate,
    TurnDelta,
    TurnEnded,
    TurnProgress,
    TurnRef,
    TurnStart,
    TurnStarted,
)
from greenloop.aid.service import Call, Handlers, Peer
from greenloop.builds.stop import Stop
from greenloop.records import Badge, Cancelled, GreenloopError, Refused
from greenloop.storage.lines import append_line

_HUNK = Hunk(id="1", start=0, end=1, old="let x = 2\n", new="let x = 1\n", new_start=0)


@dataclass(frozen=True)
class Script:
    """What a scripted service says. Without a script it serves workspaces, and turns that change ``a.ml``."""

    answers: Mapping[str, Message | GreenloopError] = field(default_factory=dict)
    """Method → its answer, or the error that it raises; before anything else is looked at."""
    deltas: tuple[str, ...] = ("let ", "x ", "= 1\n")
    """What the model says in a turn, piece by piece."""
    pause: float = 0.0
    """Seconds between two pieces."""
    ledger: Path | None = None
    """A file that gets a line ``turn suggestion acceptance`` for each hand-over: it outlives restarts."""
    hunk: Hunk = _HUNK
    """The one change of ``a.ml`` that each turn proposes."""


class ScriptedService:
    """A ``Service`` that does as it is told. Turns run in threads of their own, as real ones do."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._turns: dict[str, tuple[Peer, Stop]] = {}
        self._threads: set[threading.Thread] = set()
        self._trusted: set[str] = set()
        self._roots: dict[str, str] = {}
        self._done: dict[str, str] = {}
        self.calls: list[tuple[str, str, Message]] = []
        """(client, method, params) of all that was asked, in the order of its coming."""

    def handlers(self) -> Handlers:
        """Return what it serves: every method of the catalogue that the script answers, and its own."""
        table = Handlers()
        own: dict[str, Callable[[Call, Any], Message]] = {
            catalogue.WORKSPACE_OPEN.name: self._open,
            catalogue.WORKSPACE_CLOSE.name: lambda _call, _params: Empty(),
            catalogue.WORKSPACE_TRUST.name: self._trust,
            catalogue.STATUS_GET.name: lambda _call, params: self._status(params),
            catalogue.TURN_START.name: self._start,
            catalogue.TURN_CANCEL.name: self._cancel,
            catalogue.SUGGESTION_ACCEPT.name: self._accept,
        }
        for name, method in catalogue.METHODS.items():
            if name in own or name in self.script.answers:
                table.on(method, self._scripted(name, own.get(name)))
        table.hear(catalogue.FILE_SAVED, self._saved)
        return table

    def left(self, peer: Peer) -> None:
        """Cancel its turns."""
        with self._lock:
            for one, stop in self._turns.values():
                if one is peer:
                    stop.request()

    def busy(self) -> bool:
        """Whether a turn runs."""
        with self._lock:
            return bool(self._turns)

    def running(self) -> int:
        """How many turns run."""
        with self._lock:
            return len(self._turns)

    def close(self) -> None:
        """Cancel every turn, and wait for its thread."""
        with self._lock:
            threads = list(self._threads)
            for _, stop in self._turns.values():
                stop.request()
        for thread in threads:
            thread.join()

    def _scripted(self, name: str, own: Callable[[Call, Any], Message] | None) -> Callable[[Call, Any], Message]:
        def handle(call: Call, params: Any) -> Message:
            self.calls.append((call.peer.client, name, params))
            answer = self.script.answers.get(name)
            if isinstance(answer, GreenloopError):
                raise answer
            if answer is not None:
                return answer
            assert own is not None
            return own(call, params)

        return handle

    def _open(self, _call: Call, params: WorkspaceOpen) -> WorkspaceState:
        name = sha256(params.path.encode()).hexdigest()[:12]
        self._roots[name] = params.path
        return WorkspaceState(workspace=name, root=params.path, trusted=name in self._trusted, toolchain="")

    def _trust(self, _call: Call, params: WorkspaceTrust) -> WorkspaceState:
        (self._trusted.add if params.trusted else self._trusted.discard)(params.workspace)
        return WorkspaceState(
            workspace=params.workspace, root=self._root(params.workspace), trusted=params.trusted, toolchain="dune"
        )

    def _root(self, workspace: str) -> str:
        if workspace not in self._roots:
            raise Refused("unknown-workspace", f"{workspace}: no such workspace is open", "send `workspace/open` first")
        return self._roots[workspace]

    def _status(self, params: WorkspaceRef) -> Status:
        self._root(params.workspace)
        return Status(workspace=params.workspace, state=BuildState.GREEN)

    def _saved(self, call: Call, params: FileSaved) -> None:
        self.calls.append((call.peer.client, catalogue.FILE_SAVED.name, params))
        call.peer.notify(catalogue.STATUS_CHANGED, Status(workspace=params.workspace, state=BuildState.CHECKING))

    def _start(self, call: Call, params: TurnStart) -> TurnStarted:
        self._root(params.workspace)
        turn = f"turn-{next(self._numbers)}-{call.peer.id}"
        thread = threading.Thread(target=self._run, args=(turn, call.peer, Stop()), name=turn)
        with self._lock:
            self._threads.add(thread)
        thread.start()
        return TurnStarted(turn=turn, conversation=params.conversation or f"about-{turn}")

    def _run(self, turn: str, peer: Peer, stop: Stop) -> None:
        with self._lock:
            self._turns[turn] = (peer, stop)
        outcome = Outcome.DONE
        try:
            peer.notify(catalogue.TURN_PROGRESS, TurnProgress(turn=turn, stage=Stage.ASKING, text="asking the model"))
            for text in self.script.deltas:
                threading.Event().wait(self.script.pause)
                stop.check()
                peer.notify(catalogue.TURN_DELTA, TurnDelta(turn=turn, candidate=0, text=text))
            suggestion = self._proposed()
            self._done[turn] = suggestion.id
            peer.notify(catalogue.TURN_CANDIDATE, TurnCandidate(turn=turn, suggestion=suggestion, rank=0))
        except Cancelled:
            outcome = Outcome.CANCELLED
        finally:
            with self._lock:
                del self._turns[turn]
                self._threads.discard(threading.current_thread())
            stop.close()
        order = (self._done[turn],) if turn in self._done else ()
        peer.notify(catalogue.TURN_ENDED, TurnEnded(turn=turn, outcome=outcome, order=order))

    def _proposed(self) -> Proposed:
        change = FileChange(
            path="a.ml", kind="change", hunks=(self.script.hunk,), base_sha256=_digest(self.script.hunk.old)
        )
        diff = "--- a/a.ml\n+++ b/a.ml\n@@ -1 +1 @@\n-" + self.script.hunk.old + "+" + self.script.hunk.new
        return Proposed(id="s1", files=(change,), diff=diff, badge=Badge.TYPE_CHECKS, label="type-checks")

    def _cancel(self, _call: Call, params: TurnRef) -> Empty:
        with self._lock:
            if params.turn in self._turns:
                self._turns[params.turn][1].request()
                return Empty()
        raise Refused("unknown-turn", f"{params.turn}: no such turn runs")

    def _accept(self, _call: Call, params: SuggestionAccept) -> Handover:
        with self._lock:
            # handed over once: whoever asks again has it already
            if self._done.pop(params.turn, None) != params.suggestion:
                raise Refused("unknown-suggestion", f"{params.suggestion}: no such suggestion waits", "ask again")
        acceptance = f"accepted-{params.turn}"
        if self.script.ledger is not None:
            append_line(self.script.ledger, f"{params.turn} {params.suggestion} {acceptance}")
        hunk = self.script.hunk
        file = FileText(path="a.ml", base_sha256=_digest(hunk.old), text=hunk.new, hunks=(hunk,))
        return Handover(acceptance=acceptance, files=(file,), badge=Badge.TYPE_CHECKS, label="type-checks")


@dataclass
class ScriptedPeer:
    """A ``Peer`` that remembers what it was told, and answers questions with ``answers``."""

    id: str = "peer"
    client: str = "test"
    encoding: Encoding = Encoding.UTF8
    can_approve: bool = True
    answers: Mapping[str, Message] = field(default_factory=dict)
    told: list[tuple[str, Message]] = field(default_factory=list)
    """(notification, params), in order."""
    asked: list[tuple[str, Message]] = field(default_factory=list)

    def notify(self, kind: Notification[P], params: P) -> None:
        """Remember it."""
        self.told.append((kind.name, params))

    def ask(self, method: Method[P, R], params: P, stop: Stop) -> R:
        """Remember it, and answer."""
        stop.check()
        self.asked.append((method.name, params))
        answer = self.answers.get(method.name)
        if answer is None or not self.can_approve:
            raise Refused("cannot-approve", f"{self.client} does not answer {method.name}")
        assert isinstance(answer, method.result)
        return answer


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
