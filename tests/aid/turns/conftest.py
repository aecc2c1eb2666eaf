"""A sidecar's heart without a door: workspaces and turns, a scripted judge and model, and editors that remember."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from greenloop.aid.metrics.recording import Recording
from greenloop.aid.metrics.tracing import Tracer
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Message
from greenloop.aid.protocol.catalogue import Method
from greenloop.aid.protocol.session import WorkspaceOpen, WorkspaceTrust
from greenloop.aid.protocol.turns import Buffer, Proposed, TurnCandidate, TurnEnded, TurnStart, TurnStarted
from greenloop.aid.scripted import ScriptedPeer
from greenloop.aid.service import Call, Combined
from greenloop.aid.tools.toolbox import Toolbox
from greenloop.aid.trust import Trust
from greenloop.aid.turns.service import TurnService
from greenloop.aid.workspaces.equipment import ScriptedEquipment, Strategy
from greenloop.aid.workspaces.service import WorkspaceService
from greenloop.builds.judge import Judge
from greenloop.builds.scripted import Answer, ScriptedJudge
from greenloop.builds.stop import Stop
from greenloop.candidates.sampling import Sampling
from greenloop.feedback.funnel import Funnel
from greenloop.feedback.log import FeedbackLog
from greenloop.models.scripted import Pace, Script, ScriptedModel
from greenloop.models.seam import Model
from greenloop.records import Category, Diagnostic, Severity, Span, Status, Suite, TreeId
from greenloop.workspace.store import TreeStore

GENEROUS = 60.0
"""Seconds that anything may take on a busy machine."""
P = TypeVar("P", bound=Message)
R = TypeVar("R", bound=Message)

RED_LINE = 'let x = 1 + "2"\n'
FILES = {
    "a.ml": f"let one = 1\n\n{RED_LINE}\nlet () = print_int (x + one)\n",
    "b.ml": "let two = 2\n\nlet three = 3\n\nlet four = 4\n\nlet five = 5\n",
}


def block(path: str, *pairs: tuple[str, str]) -> str:
    """Return a reply that changes a file."""
    return f"{path}\n" + "".join(f"<<<<\n{old}\n====\n{new}\n>>>>\n" for old, new in pairs)


def fixing(new: str) -> str:
    return block("a.ml", (RED_LINE.rstrip(), new))


def error_in(store: TreeStore, tree: TreeId) -> Answer:
    """Red where ``a.ml`` adds a text to a number, or names ``unknown``; green else."""
    lines = (store.read(tree, "a.ml") or b"").decode().split("\n")
    found = []
    for number, line in enumerate(lines, 1):
        at = line.find('"2"') if '+ "2"' in line else line.find("unknown")
        if at >= 0:
            message = "This expression has type string" if '"2"' in line else "Unbound value unknown"
            found.append(
                Diagnostic(
                    severity=Severity.ERROR,
                    category=Category.TYPE,
                    message=message,
                    path="a.ml",
                    span=Span(line=number, column=at, end_line=number, end_column=at + 3),
                )
            )
    return tuple(found) or Status.GREEN


@dataclass
class World:
    """One workspace, the two services over it, and what they said."""

    root: Path
    store: TreeStore
    service: Combined
    equipment: ScriptedEquipment
    judge: ScriptedJudge
    log: FeedbackLog
    funnel: Funnel
    begin: Callable[[], Combined]
    name: str = ""
    peers: list[ScriptedPeer] = field(default_factory=list)

    def restart(self) -> None:
        """End the services, and begin anew on what they have kept. Nothing is open then."""
        self.service.close()
        self.service = self.begin()

    def peer(self, client: str = "test") -> ScriptedPeer:
        made = ScriptedPeer(id=f"peer-{len(self.peers)}", client=client)
        self.peers.append(made)
        return made

    def ask(self, method: Method[P, R], params: P, peer: ScriptedPeer | None = None) -> R:
        with Stop() as stop:
            answer: R = self.service.handlers().methods[method.name](Call(peer or self.peers[0], stop), params)
            return answer

    def tell(self, note: str, params: Message) -> None:
        with Stop() as stop:
            self.service.handlers().notes[note](Call(self.peers[0], stop), params)

    def open(self, *, trusted: bool = True, peer: ScriptedPeer | None = None) -> str:
        if not self.peers:
            self.peer()
        state = self.ask(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(self.root)), peer)
        self.name = state.workspace
        if trusted:
            self.ask(catalogue.WORKSPACE_TRUST, WorkspaceTrust(workspace=self.name, trusted=True))
        return state.workspace

    def script(self, script: Sequence[str] | Script, *, pace: Pace | None = None, **more: Any) -> ScriptedModel:
        """Have the model say this from now on."""
        model = ScriptedModel(script, name="m", pace=pace)
        self.use(model, **more)
        return model

    def use(self, model: Model, **more: Any) -> None:
        """Make turns with this model from now on."""
        self.equipment.made = replace(self.equipment.made, model=model, **more)

    def start(self, peer: ScriptedPeer | None = None, **fields: Any) -> TurnStarted:
        wanted = {"kind": "fix", "buffers": ()} | fields
        buffers = wanted.pop("buffers")
        given = tuple(Buffer(path=path, text=text) for path, text in dict(buffers).items())
        return self.ask(catalogue.TURN_START, TurnStart(workspace=self.name, buffers=given, **wanted), peer)

    def ended(self, turn: str, peer: ScriptedPeer | None = None) -> TurnEnded:
        return wait_for(
            lambda: next((one for one in self.news(turn, peer) if isinstance(one, TurnEnded)), None), f"end of {turn}"
        )

    def turn(self, **fields: Any) -> tuple[TurnEnded, str]:
        """Make a turn; return its end and its name."""
        started = self.start(**fields)
        return self.ended(started.turn), started.turn

    def news(self, turn: str, peer: ScriptedPeer | None = None) -> list[Any]:
        told = list((peer or self.peers[0]).told)
        return [params for _, params in told if getattr(params, "turn", None) == turn]

    def suggestions(self, turn: str) -> dict[str, Proposed]:
        """What is known last of each suggestion of a turn."""
        return {one.suggestion.id: one.suggestion for one in self.news(turn) if isinstance(one, TurnCandidate)}


Found = TypeVar("Found")


def wait_for(look: Callable[[], Found | None], what: str) -> Found:
    deadline = time.monotonic() + GENEROUS
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        threading.Event().wait(0.01)
    pytest.fail(f"waited in vain for {what}")


@pytest.fixture
def await_it() -> Callable[..., Any]:
    return wait_for


@pytest.fixture
def judging() -> Callable[[TreeStore], Judge]:
    """Make the judge of the world; tests may take another one's place."""

    def make(store: TreeStore) -> Judge:
        return ScriptedJudge(lambda tree, suite: error_in(store, tree))

    return make


@pytest.fixture
def files() -> Mapping[str, str]:
    return FILES


@pytest.fixture
def tools() -> Callable[[str], Toolbox] | None:
    """The tools of the world's workspace; none, unless tests say otherwise."""
    return None


@pytest.fixture
def tracer() -> Tracer | None:
    """Who makes spans of the world's turns; nobody, unless tests say otherwise."""
    return None


@pytest.fixture
def world(
    tmp_path: Path,
    store: TreeStore,
    judging: Callable[[TreeStore], Any],
    files: Mapping[str, str],
    tools: Callable[[str], Toolbox] | None,
    tracer: Tracer | None,
) -> Iterator[World]:
    root = tmp_path / "project"
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())
    judge = judging(store)
    made = Strategy("plain", ScriptedModel([]), Sampling(greedy=1, sampled=0))
    equipment = ScriptedEquipment(store, judge, made)
    log = FeedbackLog(tmp_path / "feedback.jsonl")
    with Funnel(tmp_path / "funnel.db") as funnel:

        def begin() -> Combined:
            workspaces = WorkspaceService(equipment, Trust(tmp_path / "aid/trusted.json"), tmp_path / "aid")
            turns = TurnService(equipment, workspaces, Recording(log, funnel), tmp_path / "aid", tools, tracer)
            return Combined([workspaces, turns])

        made_of = World(root, store, begin(), equipment, judge, log, funnel, begin)
        yield made_of
        made_of.service.close()


@pytest.fixture
def suite() -> Suite:
    return Suite.CHECK
