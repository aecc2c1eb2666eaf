"""``greenloop ask`` and ``fix`` through a sidecar that is really started, and without one."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import PATIENCE, Run, command_of

from greenloop.cli.home import Home
from greenloop.records.funnel import FunnelEvent, Step

GREEN = "let one = 1\n\nlet total = List.fold_left ( + ) 0 [ one; 2 ]\n"
RED = GREEN.replace("0 [", '"0" [')
REPLY = f"shop.ml\n<<<<\n{RED.splitlines()[2]}\n====\n{GREEN.splitlines()[2]}\n>>>>\n"
STUB = f'shop.ml\n<<<<\n{RED.splitlines()[2]}\n====\nlet total : int = failwith "TODO"\n>>>>\n'
SHARED = {"before", "fixed", "badge", "flags", "model", "diff", "attempts", "why_not", "summary", "written", "way"}

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(home: Path, aid: Run) -> Command:
    """Run ``greenloop`` in this home; ``aid`` ends its sidecar."""
    assert aid is not None
    environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command_of(home, *words), env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
        )

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "dune-project").write_text("(lang dune 2.9)\n")
    (root / "dune").write_text("(library (name shop))\n")
    (root / "shop.ml").write_text(RED)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    _replies(root, REPLY)
    return root


def _replies(root: Path, *replies: str, **more: Any) -> None:
    # a sidecar keeps a model open: another script is another model
    script = root.parent / f"script{len(list(root.parent.glob('script*')))}.jsonl"
    script.write_text(json.dumps({"replies": replies, **more}) + "\n")
    (root / "greenloop.toml").write_text(
        f'[model]\nname = "scripted:{script}"\ncandidates = 1\n\n[search]\nenabled = false\n'
        "\n[turn]\nrepair_rounds = 0\n"
    )


def _events(home: Path) -> list[FunnelEvent]:
    return list(Home(home).funnel.events())


def test_with_a_sidecar_the_same_is_shown_and_counted(command: Command, aid: Run, home: Path, project: Path) -> None:
    alone = json.loads(command("fix", str(project), "--json").stdout)
    assert alone["way"] == "in-process"
    assert _events(home) == []
    assert aid("trust", str(project)).returncode == 0
    nothing = aid("explain")
    assert nothing.returncode != 0
    assert "no turn was made since the sidecar was started" in nothing.stderr

    shown = command("fix", str(project))
    assert shown.returncode == 0, shown.stderr
    for words in ("shop.ml:3:", "+let total = List.fold_left ( + ) 0 [ one; 2 ]", " type-checks ", "by scripted:"):
        assert words in shown.stdout
    assert "By the sidecar" in shown.stdout
    assert (project / "shop.ml").read_text() == RED

    found = command("fix", str(project), "--json", "--explain", "--apply")
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout)
    assert told["way"] == "sidecar"
    assert told["written"] == ["shop.ml"]
    same = SHARED - {"way", "written", "summary"}
    assert {name: told[name] for name in same} == {name: alone[name] for name in same}
    assert any(part["plugin"] for part in told["sent"]["parts"])
    assert (project / "shop.ml").read_text() == GREEN

    # the funnel has both turns of the command line, and what became of them
    events = _events(home)
    assert {event.client for event in events} == {"greenloop"}
    person = {Step.SHOWN, Step.ACCEPTED}
    # that the turn has ended is written while the person sees it: before, or among these
    steps = [event.step for event in events if event.turn == told["turn"]]
    assert [step for step in steps if step in person] == [Step.SHOWN, Step.ACCEPTED]
    assert Step.ENDED in steps
    assert sum(event.step is Step.SHOWN for event in events) == 2
    # a green tree needs nothing
    assert "nothing to fix" in command("fix", str(project)).stdout

    # words and a file, through the sidecar too
    _replies(project, "shop.ml\n<<<<\nlet one = 1\n====\nlet one = 11\n>>>>\n")
    asked = json.loads(command("ask", "make it eleven", "--in", str(project), "-f", "shop.ml", "--json").stdout)
    assert (asked["way"], asked["before"], asked["badge"]) == ("sidecar", "green", "type-checks")
    newest = aid("explain").stdout
    assert newest == aid("explain", asked["turn"]).stdout
    assert f"turn {asked['turn']} " in newest
    assert "make it eleven" in newest
    assert "make it eleven" not in aid("explain", told["turn"]).stdout


def test_what_is_not_trusted_is_not_built_by_the_sidecar(command: Command, aid: Run, project: Path) -> None:
    assert aid("start").returncode == 0
    refused = command("fix", str(project), "--apply")
    assert refused.returncode == 2
    assert "not trusted" in refused.stderr
    assert f"greenloop aid trust {project}" in refused.stderr
    assert "--no-sidecar" in refused.stderr
    assert (project / "shop.ml").read_text() == RED
    # the way out that it names
    assert json.loads(command("fix", str(project), "--no-sidecar", "--json").stdout)["way"] == "in-process"


def test_what_the_sidecar_cannot_honour_it_is_not_asked(command: Command, aid: Run, home: Path, project: Path) -> None:
    script = project.parent / "script0.jsonl"
    # --sidecar starts one; what it cannot honour is refused by name before that
    both = command("fix", str(project), "--sidecar", "--model", f"scripted:{script}", "-n", "1")
    assert both.returncode == 2
    assert "--model, -n" in both.stderr
    assert aid("status").returncode == 1
    (home / "greenloop.toml").write_text('[aid]\ncommands = "never"\n')
    assert aid("trust", str(project)).returncode == 0
    assert json.loads(command("fix", str(project), "--json").stdout)["way"] == "in-process"
    assert json.loads(command("fix", str(project), "--json", "--sidecar").stdout)["way"] == "sidecar"
    (home / "greenloop.toml").unlink()
    other = command("fix", str(project), "--model", f"scripted:{script}", "--json")
    assert json.loads(other.stdout)["way"] == "in-process"
    assert "cannot honour --model" in other.stderr
    # what deserves mistrust is shown, and not written
    _replies(project, STUB)
    stub = command("fix", str(project), "--apply")
    assert stub.returncode == 2
    assert "not written: stub" in stub.stderr
    assert (project / "shop.ml").read_text() == RED
    assert not any(event.step is Step.ACCEPTED for event in _events(home))


def test_control_c_cancels_the_turn(aid: Run, home: Path, project: Path) -> None:
    assert aid("trust", str(project)).returncode == 0
    _replies(project, REPLY, first_seconds=600)
    environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    with subprocess.Popen(
        command_of(home, "fix", str(project)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        _until(lambda: any(event.step is Step.REQUESTED for event in _events(home)))
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=PATIENCE)
    assert running.returncode not in {0, None}
    assert b"Traceback" not in said
    _until(lambda: any(one.step is Step.ENDED for one in _events(home)))
    assert [one.outcome for one in _events(home) if one.step is Step.ENDED] == ["cancelled"]


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
