"""The stage on which a scenario is played: a workspace, a real sidecar in its own home, a model server on loopback.

A driver gets a ``Job`` and returns a ``Report``; an editor's own driver gets the job as a file of JSON, and writes its
report into another. The stage then compares the tree and the buffers byte for byte.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from tests.editors.scenario import Scenario, Signalled, Step
from tests.sidecars import ended

from greenloop.aid.client.client import Client
from greenloop.aid.client.reach import halt
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.session import WorkspaceOpen, WorkspaceTrust
from greenloop.cli.aid_place import place_of, reached
from greenloop.cli.app import App
from greenloop.cli.home import Home
from greenloop.models.scripted_server import Body, ScriptedServer, Served, event, streamed
from greenloop.records import Part
from greenloop.records.funnel import Step as Known

GENEROUS = 600.0
"""Seconds that anything may take on a busy machine."""
HEARD = 60.0
"""Seconds until the sidecar has written down what it was told last."""
_PERSONS = {Known.SHOWN, Known.ACCEPTED, Known.REFUSED, Known.UNDONE}
_SETTINGS = """
[model]
name = "openai:scripted@{url}"
candidates = 1
retries = 0

[search]
enabled = false

[turn]
repair_rounds = 0
"""
_TOOLS = """
[tools.team]
command = {command}
"""


class Job(Part):
    """What a driver gets. Everything in it is expanded: it needs to know nothing of the corpus."""

    name: str
    root: str
    """The workspace, absolute."""
    command: tuple[str, ...]
    """The words of `greenloop` with the home of this run; `aid connect` comes behind them."""
    steps: tuple[Step, ...]
    report: str
    """Where an external driver writes its report."""


class BufferSeen(Part):
    """An open file as the editor would write it."""

    base64: str
    modified: bool
    """It differs from the disk, as far as the editor knows."""


class TurnReport(Part):
    """How a turn ended, as the person saw it."""

    outcome: str
    label: str = ""
    fault: str = ""


class Report(Part):
    """What a driver ends with. ``problem``: why it could not go on; empty when it did all its steps."""

    turns: tuple[TurnReport, ...] = ()
    told: tuple[str, ...] = ()
    """Every text that the person was shown: messages and the conversation."""
    buffers: dict[str, BufferSeen] = field(default_factory=dict)
    problem: str = ""


Driver = Callable[[Job], Report]


@dataclass
class Stage:
    """A home with its sidecar, over many scenarios."""

    app: App
    folder: Path

    def play(self, name: str, scenario: Scenario, driver: Driver) -> None:
        """Play a scenario, and compare what there is at the end. Raises ``AssertionError``."""
        root = self.folder / name
        signals = self.folder / f"{name}.signals"
        signals.mkdir()
        for path, content in scenario.start.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        subprocess.run(["git", "init", "-q", str(root)], check=True)
        steps = tuple(
            step.model_copy(update={"signal": str(signals / f"{number}-{step.do}")})
            if isinstance(step, Signalled)
            else step
            for number, step in enumerate(scenario.steps)
        )
        report_file = self.folder / f"{name}.report.json"
        job = Job(name=name, root=str(root), command=self.words, steps=steps, report=str(report_file))
        with _model(scenario, signals) as server, self._hands(signals):
            settings = _SETTINGS.format(url=server.url)
            if scenario.tools:
                program = Path(__file__).parent / "team_tools.py"
                settings += _TOOLS.format(command=json.dumps([sys.executable, str(program)]))
            (root / "greenloop.toml").write_text(settings)
            self._trust(root)
            if scenario.tools:
                self.greenloop("tools", "pin", "team", "--yes", cwd=root)
            if scenario.sidecar == "stopped":
                halt(place_of(self.app.home))
            before = len(self._decisions())
            report = driver(job)
        assert not report.problem, report.problem
        self._compare(scenario, root, report)
        # answers may overtake each other, so the order of what was sent at once says nothing
        wanted = sorted(scenario.expect.funnel)
        until = time.monotonic() + HEARD
        # the person sees what was decided before the sidecar has written it down
        while (heard := sorted(step.value for step in self._decisions()[before:])) != wanted:
            assert time.monotonic() < until, f"the sidecar heard {heard}"
            time.sleep(0.05)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of `greenloop` with this home."""
        return (sys.executable, "-m", "greenloop", "--home", str(self.app.home.path))

    def greenloop(self, *words: str, cwd: Path) -> None:
        """Run a command."""
        subprocess.run([*self.words, *words], cwd=cwd, check=True, capture_output=True, timeout=GENEROUS)

    def _trust(self, root: Path) -> None:
        with Client(lambda: reached(self.app), "stage") as client:
            opened = client.call(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(root)))
            client.call(catalogue.WORKSPACE_TRUST, WorkspaceTrust(workspace=opened.workspace, trusted=True))

    def _decisions(self) -> list[Known]:
        with self.app.home.funnel as funnel:
            return [event.step for event in funnel.events() if event.step in _PERSONS]

    @contextmanager
    def _hands(self, signals: Path) -> Iterator[None]:
        """Do what the driver signals: kill the sidecar. A release is seen by the model itself."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.02):
                for path in signals.iterdir():
                    done = path.with_name(path.name + ".done")
                    if path.suffix == ".done" or done.exists():
                        continue
                    if path.name.endswith("kill-sidecar"):
                        card = place_of(self.app.home).card()
                        assert card is not None
                        os.kill(card.pid, signal.SIGKILL)
                    done.touch()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _compare(self, scenario: Scenario, root: Path, report: Report) -> None:
        expect = scenario.expect
        seen = [(turn.outcome, turn.label, turn.fault) for turn in report.turns]
        assert seen == [(turn.outcome, turn.label, turn.fault) for turn in expect.turns], f"{seen}: {report.told}"
        for text in expect.told:
            assert any(text in said for said in report.told), f"nobody was told {text!r}: {report.told}"
        disk = _files(root)
        assert disk == scenario.end, f"{_differing(disk, scenario.end)}; told: {report.told}"
        unsaved = scenario.unsaved
        for path, buffer in report.buffers.items():
            content = base64.b64decode(buffer.base64)
            assert content == unsaved.get(path, disk.get(path)), f"the buffer of {path}"
            assert buffer.modified == (path in unsaved), f"whether the buffer of {path} is unsaved"
        assert set(unsaved) <= set(report.buffers), "these have no buffer any more"


def external(command: Callable[[Path, Path], Sequence[str]], folder: Path) -> Driver:
    """Return a driver that runs a program: ``command`` makes its words of the file of the job and the workspace."""

    def drive(job: Job) -> Report:
        path = folder / f"{job.name}.job.json"
        path.write_text(job.model_dump_json())
        words = list(command(path, Path(job.root)))
        ran = subprocess.run(words, check=False, capture_output=True, text=True, timeout=GENEROUS, cwd=job.root)
        report = Path(job.report)
        if not report.exists():
            return Report(problem=f"no report; exit status {ran.returncode}\n{ran.stdout}\n{ran.stderr}")
        return Report.model_validate_json(report.read_bytes())

    return drive


@contextmanager
def staged() -> Iterator[Stage]:
    """Make a stage; its sidecar ends with it. The names of its folders are short, as the paths of sockets are."""
    folder = Path(tempfile.mkdtemp(prefix="gl"))
    home = Home(folder / "h")
    # settings of this test's own, not those of whoever runs it
    stage = Stage(App(home, None), folder / "w")
    stage.folder.mkdir()
    with ended(home.path):
        try:
            yield stage
        finally:
            # a bridge whose editor has just gone would start another sidecar
            psutil.wait_procs(_bridges(str(home.path)), timeout=GENEROUS)
    shutil.rmtree(folder)


def _bridges(home: str) -> list[psutil.Process]:
    """Return what runs ``aid connect`` for a home."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if home in words and words[-1] == "connect":
            found.append(process)
    return found


@contextmanager
def _model(scenario: Scenario, signals: Path) -> Iterator[ScriptedServer]:
    replies = iter(scenario.model)

    def released() -> bool:
        return any(path.name.endswith("release.done") for path in signals.iterdir())

    def answer(body: Body) -> Served:
        reply = next(replies, None)
        asked = "\n".join(str(message.get("content")) for message in body["messages"])
        missing = [text for text in reply.contains if text not in asked] if reply is not None else []
        if reply is None or missing:
            said = f"the request lacks {missing}" if missing else "the script has no reply left"
            return Served([json.dumps({"error": {"message": said}}).encode()], 400, "application/json")
        if not reply.hold_after:
            return streamed(reply.reply)
        head, mark, tail = reply.reply.partition(reply.hold_after)
        assert mark, f"{reply.hold_after!r} is not in the reply"
        pieces = [event({"content": head + mark}), event({"content": tail}), event({}, reason="stop")]
        return Served([*pieces, b"data: [DONE]\n\n"], gates={1: released})

    with ScriptedServer(answer) as server:
        yield server


def _differing(found: dict[str, bytes], wanted: dict[str, bytes]) -> str:
    paths = [path for path in sorted(found.keys() | wanted.keys()) if found.get(path) != wanted.get(path)]
    return "; ".join(
        f"{path} is {found.get(path, b'missing')[:500]!r}, not {wanted.get(path, b'missing')[:500]!r}" for path in paths
    )


def _files(root: Path) -> dict[str, bytes]:
    """Return what lies in a workspace, without the settings and what is git's."""
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and name.parts[0] != ".git" and str(name) != "greenloop.toml":
            found[str(name)] = path.read_bytes()
    return found
