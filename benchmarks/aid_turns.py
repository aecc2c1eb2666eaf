"""What a turn costs beside the model, and how soon it ends when cancelled: in one process, without a socket.

A generated dune repository (200 modules in the build, 10,000 files in all), a scripted model server, the real build.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from greenloop.aid.metrics.recording import Recording
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.session import BuildState, FileSaved, Status, WorkspaceOpen, WorkspaceTrust
from greenloop.aid.protocol.turns import Buffer, Place, TurnCandidate, TurnDelta, TurnEnded, TurnRef, TurnStart
from greenloop.aid.scripted import ScriptedPeer
from greenloop.aid.service import Call, Combined
from greenloop.aid.trust import Trust
from greenloop.aid.turns.service import TurnService
from greenloop.aid.workspaces.equipment import ScriptedEquipment, Strategy
from greenloop.aid.workspaces.service import WorkspaceService
from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap
from greenloop.builds.stop import Stop
from greenloop.builds.toolchains.dune import Dune
from greenloop.builds.verdicts import VerdictStore
from greenloop.candidates.sampling import Sampling
from greenloop.feedback.funnel import Funnel
from greenloop.feedback.log import FeedbackLog
from greenloop.models.local import LocalModel
from greenloop.models.openai_server import OpenAIModel
from greenloop.models.scripted_server import ScriptedServer, Served, event, streamed
from greenloop.models.seam import Message, Model, Request
from greenloop.prompts.retrieval.on_disk import OnDisk
from greenloop.records import Badge, Cancelled
from greenloop.workspace.store import TreeStore


class Clock:
    """A peer that notes when it was told what."""

    def __init__(self) -> None:
        self.peer = ScriptedPeer()
        self.when: list[tuple[float, Any]] = []
        told = self.peer.notify

        def notify(kind: Any, params: Any) -> None:
            self.when.append((time.perf_counter(), params))
            told(kind, params)

        self.peer.notify = notify  # type: ignore[method-assign]

    def wait(self, found: Callable[[Any], bool]) -> float:
        while True:
            for at, params in list(self.when):
                if found(params):
                    return at
            time.sleep(0.0005)


def make(root: Path, files: int, modules: int) -> None:
    """Write the repository: a chain of modules, and texts beside them."""
    (root / "lib").mkdir(parents=True)
    (root / "dune-project").write_text("(lang dune 2.9)\n")
    (root / "lib/dune").write_text("(library (name big))\n")
    for number in range(modules):
        before = f"M{number - 1}.value + " if number % 20 else ""
        lines = [f"let item_{line} x = x + {line}" for line in range(20)]
        (root / f"lib/m{number}.ml").write_text("\n".join([*lines, f"let value = {before}{number}", ""]))
    for number in range(files - modules - 2):
        folder = root / f"docs/d{number % 100}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"note{number}.txt").write_text(f"note {number}\n")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "add", "-A"], check=True)


def recording(folder: Path) -> Recording:
    """Return what keeps the events of turns in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return Recording(FeedbackLog(folder / "feedback.jsonl"), Funnel(folder / "funnel.db"))


@contextmanager
def sidecar(folder: Path, root: Path, model: Model) -> Iterator[tuple[Combined, Clock, str]]:
    """Open the workspace, trusted, and wait until it is green."""
    store = TreeStore(folder / "objects.git")
    engine = Engine(
        store=store, verdicts=VerdictStore(folder / "verdicts.db"), toolchain=Dune(), sandbox=Bubblewrap(),
        scratch=folder,
    )  # fmt: skip
    equipment = ScriptedEquipment(store, engine, Strategy("plain", model, Sampling(greedy=1, sampled=0)))
    workspaces = WorkspaceService(equipment, Trust(folder / "aid/trusted.json"), folder / "aid")
    service = Combined([workspaces, TurnService(equipment, workspaces, recording(folder), folder / "aid")])
    clock = Clock()
    opened = ask(service, clock, catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(root)))
    ask(service, clock, catalogue.WORKSPACE_TRUST, WorkspaceTrust(workspace=opened.workspace, trusted=True))
    clock.wait(lambda params: isinstance(params, Status) and params.state is BuildState.GREEN)
    index = OnDisk(folder / "index", store)
    index.follow(equipment.trees[-1])
    equipment.made = replace(equipment.made, index=index)
    try:
        yield service, clock, opened.workspace
    finally:
        service.close()
        engine.close()


def ask(service: Combined, clock: Clock, method: Any, params: Any) -> Any:
    with Stop() as stop:
        return service.handlers().methods[method.name](Call(clock.peer, stop), params)


def block(number: int, value: int) -> str:
    before = f"M{number - 1}.value + " if number % 20 else ""
    return f"lib/m{number}.ml\n<<<<\nlet value = {before}{number}\n====\nlet value = {before}{value}\n>>>>\n"


def turns(folder: Path, root: Path, count: int) -> dict[str, float]:
    """Measure turns: the request's way to the model, the candidate's way to its badge, a save's way to the status."""
    arrived: list[float] = []
    number = [0]

    def script(_body: dict[str, Any]) -> Served:
        arrived.append(time.perf_counter())
        number[0] += 1
        return streamed(block(199, 1000 + number[0]))

    first, badge = [], []
    with ExitStack() as open_:
        server = open_.enter_context(ScriptedServer(script))
        model = open_.enter_context(OpenAIModel(server.url, "scripted", retries=0))
        service, clock, name = open_.enter_context(sidecar(folder, root, model))
        for turn in range(count):
            clock.when.clear()
            arrived.clear()
            buffer = Buffer(path="lib/m7.ml", text=(root / "lib/m7.ml").read_text() + f"let fresh = {turn}\n")
            start = TurnStart(
                workspace=name, kind="ask", prompt="Raise the value of m199.", whole_project=False,
                place=Place(path="lib/m199.ml"), buffers=(buffer,),
            )  # fmt: skip
            began = time.perf_counter()
            ask(service, clock, catalogue.TURN_START, start)
            judged = clock.wait(
                lambda one: isinstance(one, TurnCandidate) and one.suggestion.badge is Badge.TYPE_CHECKS
            )
            last = max(at for at, one in clock.when if isinstance(one, TurnDelta))
            clock.wait(lambda one: isinstance(one, TurnEnded))
            first.append(arrived[0] - began)
            badge.append(judged - last)
        status = []
        for turn in range(10):
            clock.when.clear()
            path = root / "lib/m150.ml"
            path.write_text(path.read_text() + f"let more_{turn} = {turn}\n")
            began = time.perf_counter()
            with Stop() as stop:
                note = service.handlers().notes["file/saved"]
                note(Call(clock.peer, stop), FileSaved(workspace=name, path="lib/m150.ml"))
            status.append(clock.wait(lambda one: isinstance(one, Status) and one.state is BuildState.GREEN) - began)
    check = []
    for turn in range(12):
        (root / "lib/m199.ml").write_text((root / "lib/m199.ml").read_text() + f"let plain_{turn} = {turn}\n")
        began = time.perf_counter()
        subprocess.run(["dune", "build", "--root", str(root), "@check"], check=True, capture_output=True)
        check.append(time.perf_counter() - began)
    first.sort()
    return {
        "first_byte_p50_ms": 1000 * statistics.median(first),
        "first_byte_p95_ms": 1000 * first[int(0.95 * (len(first) - 1))],
        "badge_p50_ms": 1000 * statistics.median(badge),
        "dune_check_ms": 1000 * statistics.median(check[2:]),
        "badge_ratio": statistics.median(badge) / statistics.median(check[2:]),
        "status_p50_ms": 1000 * statistics.median(status),
    }


def cancels(folder: Path) -> dict[str, float]:
    """Measure, from the request to stop on: until the caller is free, and until the work has ended."""
    found: dict[str, float] = {}
    slow = Served([event({"content": "x"})], then="hang")
    for name, served in (("server_first_byte", Served([], first_seconds=600.0)), ("server_stream", slow)):
        answer = partial(_always, served)
        with ScriptedServer(answer) as server, OpenAIModel(server.url, "m", retries=0) as model:
            found |= _cancel(name, model, "hi", server.dropped.wait)
    with LocalModel(context_tokens=4096, batch_tokens=16) as local:
        free = Request((Message("user", "hi"),), max_tokens=1)
        found |= _cancel("local_stream", local, "Tell a very long story.", lambda: local.complete(free))
        found |= _cancel("local_prompt", local, "word " * 3000, lambda: local.complete(free))
    root = folder / "slow"
    root.mkdir()
    (root / "dune-project").write_text("(lang dune 2.9)\n")
    (root / "dune").write_text("(library (name x))\n(rule (targets y.ml) (action (run sleep 600)))\n")
    with ScriptedServer(partial(_always, slow)) as server, OpenAIModel(server.url, "m", retries=0) as model:
        store = TreeStore(folder / "slow.git")
        engine = Engine(
            store=store, verdicts=VerdictStore(folder / "slow.db"), toolchain=Dune(), sandbox=Bubblewrap(),
            scratch=folder / "scratch",
        )  # fmt: skip
        equipment = ScriptedEquipment(store, engine, Strategy("plain", model, Sampling(greedy=1, sampled=0)))
        workspaces = WorkspaceService(equipment, Trust(folder / "aid2/trusted.json"), folder / "aid2")
        service = Combined(
            [workspaces, TurnService(equipment, workspaces, recording(folder / "aid2"), folder / "aid2")]
        )
        clock = Clock()
        name = ask(service, clock, catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(root))).workspace
        ask(service, clock, catalogue.WORKSPACE_TRUST, WorkspaceTrust(workspace=name, trusted=True))
        turn = ask(service, clock, catalogue.TURN_START, TurnStart(workspace=name, kind="fix")).turn
        time.sleep(3)
        began = time.perf_counter()
        ask(service, clock, catalogue.TURN_CANCEL, TurnRef(turn=turn))
        found["turn_build_ms"] = 1000 * (clock.wait(lambda one: isinstance(one, TurnEnded)) - began)
        while service.busy():
            time.sleep(0.001)
        found["turn_build_ended_ms"] = 1000 * (time.perf_counter() - began)
        service.close()
        engine.close()
    found["cancel_ms"] = max(value for name, value in found.items() if not name.endswith("_ended_ms"))
    return found


def _always(served: Served, _body: dict[str, Any]) -> Served:
    return served


def _cancel(name: str, model: Model, prompt: str, ended: Callable[[], object]) -> dict[str, float]:
    with Stop() as stop:
        at: list[float] = []

        def ask_to_stop() -> None:
            at.append(time.perf_counter())
            stop.request()

        timer = threading.Timer(1.0, ask_to_stop)
        timer.start()
        try:
            for _ in model.stream(Request((Message("user", prompt),), max_tokens=2000), stop):
                pass
        except Cancelled:
            free = time.perf_counter()
        ended()
        return {
            f"{name}_ms": 1000 * (free - at[0]),
            f"{name}_ended_ms": 1000 * (time.perf_counter() - at[0]),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--modules", type=int, default=200)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        figures = cancels(folder)
        make(folder / "repo", options.files, options.modules)
        figures |= turns(folder / "home", folder / "repo", options.turns)
    rounded = {name: round(value, 2) for name, value in figures.items()}
    print(json.dumps(rounded) if options.json else "\n".join(f"{name:24} {value}" for name, value in rounded.items()))


if __name__ == "__main__":
    main()
