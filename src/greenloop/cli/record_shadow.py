"""``greenloop record shadow``: the process beside the recorder that finds out whether the newest snapshot builds."""

import os
import select
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from greenloop.builds import priority
from greenloop.builds.load import MachineLoad, locked_by_others
from greenloop.builds.stop import Stop
from greenloop.cli.app import App
from greenloop.cli.config import Config
from greenloop.cli.console import tell
from greenloop.cli.desks import demand
from greenloop.cli.team_builds import looked_at, team_builds
from greenloop.cli.toolchains import Bench, bench, toolchain_name
from greenloop.records import Cancelled, GreenloopError, TreeId, Verdict
from greenloop.snapshots.dune_watch import DuneWatch
from greenloop.snapshots.enrolment import Desk
from greenloop.snapshots.shadow import Manners, Shadow, ShadowState, write_state

_END_SECONDS = 3.0
"""How long an orderly end may take once the recorder is gone."""


def shadow(
    context: typer.Context, folder: Annotated[Path, typer.Argument(help="The folder that is recorded.")]
) -> None:
    """Check the newest snapshot whenever the machine is idle, until standard input ends; the recorder runs it."""
    app = App.of(context)
    desk = demand(app, folder)
    # before any thread: priorities are inherited, by the sandbox too
    priority.give_way()
    with Stop() as stop:
        line = _Line(stop)
        try:
            _run(app, desk, stop, line)
        except Cancelled:
            _leave()


def _leave() -> NoReturn:
    """End this process at once.

    At the lowest priority on a busy machine the interpreter takes half a minute to tidy up. Whatever this process holds
    is made to be left at any moment, and the sandbox ends with it.
    """
    sys.stdout.flush()
    os._exit(0)


class _Line:
    """The connection to the recorder, on standard input: a line means that it has looked, the end that it is gone."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._woken = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while os.read(sys.stdin.fileno(), 4096):
            os.eventfd_write(self._woken, 1)
        self._stop.request()
        time.sleep(_END_SECONDS)
        _leave()

    def wait(self, seconds: float, other: int | None = None) -> None:
        """Wait so long, or until the recorder has looked or ended, or the descriptor ``other`` has something to read.

        Raises ``Cancelled`` when the recorder has ended.
        """
        watched = [self._stop.fileno(), self._woken, *([other] if other is not None else [])]
        ready, _, _ = select.select(watched, [], [], seconds)
        self._stop.check()
        if self._woken in ready:
            os.eventfd_read(self._woken)


def _run(app: App, desk: Desk, stop: Stop, line: _Line) -> None:
    enrolment = desk.enrolment
    root = Path(enrolment.root)
    settings = calm(app.settings(root))
    builds = team_builds(app, desk)
    watch = DuneWatch(root, builds)

    def note(state: ShadowState) -> None:
        write_state(desk.path / "shadow.json", state)

    def building() -> bool:
        # a watch that waits for the next change holds the lock as well; what it does, it says
        return watch.due or (not watch.idle and locked_by_others(root / "_build/.lock"))

    manners = Manners(MachineLoad(), settings.record.shadow_max_load / 100, building)
    judge = EngineJudge(app, settings, stop)
    shadow = Shadow(app.home.snapshots, enrolment.workspace.id, judge, manners, note, pid=os.getpid())
    try:
        while True:
            try:
                builds.settle()
                if looked_at(desk):
                    soon = watch.step()
                else:
                    watch.close()
                    soon = None
            except GreenloopError as error:
                tell(error)
                soon = None
            seconds = shadow.step()
            line.wait(seconds if soon is None else min(seconds, soon), watch.fileno())
    finally:
        judge.close()


def calm(settings: Config) -> Config:
    """Return the settings with one job at a time. None of what changes is part of a fingerprint."""
    return settings.model_copy(
        update={
            "build": settings.build.model_copy(update={"workers": 1}),
            "dune": settings.dune.model_copy(update={"jobs": 1}),
        }
    )


class EngineJudge:
    """Judges trees with the toolchain that each asks for, one after the other."""

    def __init__(self, app: App, settings: Config, stop: Stop) -> None:
        self._app = app
        self._settings = settings
        self._stop = stop
        self._bench: Bench | None = None

    def known(self, tree: TreeId) -> Verdict | None:
        """Return the stored verdict of the tree, if there is one."""
        bench = self._for(tree)
        return self._app.home.verdicts.get(tree, bench.engine.fingerprint, bench.suite)

    def judge(self, tree: TreeId) -> Verdict:
        """Judge the tree. Raises ``Cancelled`` as soon as it is to end."""
        bench = self._for(tree)
        with priority.idle_disk():
            verdict = bench.engine.aside(tree, bench.suite, stop=self._stop).verdict
        self._app.home.verdicts.put((verdict,))
        return verdict

    def close(self) -> None:
        """End what runs between trees."""
        if self._bench is not None:
            self._bench.engine.close()

    def _for(self, tree: TreeId) -> Bench:
        name = toolchain_name(self._app.home, self._settings, tree)
        if self._bench is None or self._bench.toolchain != name:
            self.close()
            self._bench = bench(self._app.home, self._settings, name)
        return self._bench
