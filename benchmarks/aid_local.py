"""The sidecar's own part of a whole turn with the local model; ``benchmarks/aid.py --local`` measures it.

A real sidecar of the real parts, over its socket; its model and its judge note when they began and ended, by the clock
that all processes share. The sidecar's own part of a turn, seen by the client from its request to ``turn/ended``, is
what neither the model's generation nor the build covers: reading, context, rendering, the reply's reading and laying
on the tree, waiting for each other, the journal, the socket.

This file run as a program is that sidecar.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from aid_editor import Editor

from greenloop.aid.client.reach import Launch, reach
from greenloop.aid.door.life import Terms, live, say_on
from greenloop.aid.metrics.recording import Recording
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.session import BuildState, Status, WorkspaceOpen, WorkspaceTrust
from greenloop.aid.protocol.turns import Buffer, Outcome, TurnEnded, TurnStart
from greenloop.aid.service import Combined
from greenloop.aid.trust import Trust
from greenloop.aid.turns.service import TurnService
from greenloop.aid.workspaces.equipment import Build, Strategy
from greenloop.aid.workspaces.service import WorkspaceService
from greenloop.builds.judge import Judge, Progress
from greenloop.builds.stop import Stop
from greenloop.cli.aid_place import installed, own_settings, place_of
from greenloop.cli.app import App
from greenloop.cli.equipment import HomeEquipment
from greenloop.cli.home import Home
from greenloop.models.seam import Chunk, Halt, Model, Reply, Request
from greenloop.records import Suite, TreeId, Verdict

Span = tuple[float, float]


class Notes:
    """The file in which the sidecar notes its waits: ``KIND BEGAN ENDED`` in lines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, kind: str, began: float, ended: float) -> None:
        # one write of a short line: those of several threads do not mix
        with self._path.open("a") as file:
            file.write(f"{kind} {began!r} {ended!r}\n")

    @contextmanager
    def span(self, kind: str) -> Iterator[None]:
        """Note how long the block ran."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(kind, began, time.perf_counter())

    def read(self) -> list[tuple[str, Span]]:
        """Return what was noted."""
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        return [(kind, (float(began), float(ended))) for kind, began, ended in map(str.split, lines)]


class TimedModel(Model):
    """Notes from when to when it was generating."""

    def __init__(self, model: Model, notes: Notes) -> None:
        self._model = model
        self._notes = notes

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def takes_tools(self) -> bool:
        return self._model.takes_tools

    def complete(self, request: Request) -> tuple[Reply, ...]:
        with self._notes.span("model"):
            return self._model.complete(request)

    def stream(self, request: Request, stop: Halt | None = None) -> Iterator[Chunk]:
        began = ended = time.perf_counter()
        try:
            for chunk in self._model.stream(request, stop):
                # up to the last piece: what is done with it is not the model's
                ended = time.perf_counter()
                yield chunk
        finally:
            self._notes.add("model", began, ended)

    def close(self) -> None:
        """Nothing: the model is the equipment's."""


class TimedJudge:
    """Notes from when to when it was building."""

    def __init__(self, judge: Judge, notes: Notes) -> None:
        self._judge = judge
        self._notes = notes

    @property
    def fingerprint(self) -> str:
        return self._judge.fingerprint

    def until(self, stop: Stop) -> Judge:
        return TimedJudge(self._judge.until(stop), self._notes)

    def judge(self, tree: TreeId, suite: Suite) -> Verdict:
        with self._notes.span("build"):
            return self._judge.judge(tree, suite)

    def judge_many(
        self, trees: Iterable[TreeId], suite: Suite, progress: Progress | None = None
    ) -> dict[TreeId, Verdict]:
        with self._notes.span("build"):
            return self._judge.judge_many(trees, suite, progress)

    def confirm(
        self, trees: Iterable[TreeId], suite: Suite, times: int, progress: Progress | None = None
    ) -> frozenset[TreeId]:
        with self._notes.span("build"):
            return self._judge.confirm(trees, suite, times, progress)


class TimedEquipment(HomeEquipment):
    """What the command line hands in, with the model and the judge timed."""

    def __init__(self, app: App, trust: Trust, notes: Notes) -> None:
        super().__init__(app, trust)
        self._notes = notes

    def build(self, root: Path, tree: TreeId) -> Build:
        made = super().build(root, tree)
        return replace(made, judge=TimedJudge(made.judge, self._notes))

    def strategy(self, root: Path, *, task: str) -> Strategy:
        made = super().strategy(root, task=task)
        return made if made.model is None else replace(made, model=TimedModel(made.model, self._notes))


def own_part(root: Path, home: Path, modules: int, count: int) -> dict[str, float]:
    """Measure ``count`` turns that mend an unsaved module of the benchmark's repository."""
    notes = home.parent / "notes"
    (root / "greenloop.toml").write_text('[model]\nname = "local"\n')
    command = (sys.executable, str(Path(__file__).resolve()), "--home", str(home), "--notes", str(notes))
    launch = Launch(command, installed(), dict(os.environ))
    editor = Editor(lambda: reach(place_of(Home(home)), launch), "editor")
    own, wholes = [], []
    with editor.client:
        opened = editor.client.call(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(root)))
        editor.client.call(catalogue.WORKSPACE_TRUST, WorkspaceTrust(workspace=opened.workspace, trusted=True))
        editor.wait(lambda one: isinstance(one, Status) and one.state is BuildState.GREEN)
        # the first one loads the model
        for number in range(count + 1):
            began, ended = _turn(editor, opened.workspace, root, f"lib/m{(7 * number + 3) % modules}.ml", number)
            if number:
                wholes.append(ended - began)
                own.append(wholes[-1] - covered((span for _, span in Notes(notes).read()), began, ended))
    shares = [part / whole for part, whole in zip(own, wholes, strict=True)]
    return {
        "own_share": statistics.median(shares),
        "own_share_worst": max(shares),
        "own_ms": 1000 * statistics.median(own),
        "local_turn_ms": 1000 * statistics.median(wholes),
    }


def _turn(editor: Editor, workspace: str, root: Path, path: str, number: int) -> Span:
    """Make a turn about an error that no build has seen; return when it began and ended."""
    text = (root / path).read_text()
    broken = text.replace("let item_3 x = x + 3", f'let item_3 x = x + "{number}"')
    assert broken != text
    editor.forget()
    start = TurnStart(workspace=workspace, kind="fix", buffers=(Buffer(path=path, text=broken),))
    began = time.perf_counter()
    turn = editor.client.call(catalogue.TURN_START, start).turn
    ended = editor.wait(lambda one: isinstance(one, TurnEnded) and one.turn == turn)
    (end,) = [one for _, one in editor.when if isinstance(one, TurnEnded)]
    if end.outcome is not Outcome.DONE:
        raise SystemExit(f"the turn did not end well, so it measures nothing: {end.fault}")
    return began, ended


def covered(spans: Iterable[Span], began: float, ended: float) -> float:
    """Return how much of a stretch of time at least one span covers."""
    found, reached = 0.0, began
    for start, end in sorted(spans):
        if min(end, ended) > max(start, reached):
            found += min(end, ended) - max(start, reached)
            reached = min(end, ended)
    return found


def main() -> None:
    """Be the sidecar of a home, its model and judge timed, until it is told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--ready-fd", type=int)
    options = parser.parse_args()
    app = App(Home(options.home), None)
    trust = Trust(app.home.aid / "trusted.json")

    def parts() -> Combined:
        equipment = TimedEquipment(app, trust, Notes(options.notes))
        workspaces = WorkspaceService(equipment, trust, app.home.aid, checks=own_settings(app).aid.checks)
        recording = Recording(app.home.feedback, app.home.funnel)
        return Combined((workspaces, TurnService(equipment, workspaces, recording, app.home.aid)))

    live(place_of(app.home), installed(), Terms(), parts, say_on(options.ready_fd))
    # the local model's threads end with the process
    os._exit(0)


if __name__ == "__main__":
    main()
