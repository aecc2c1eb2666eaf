"""``greenloop acp`` before npm's acpx, a client of ACP that is not ours, as a person uses it in a terminal."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.aid.acp.conftest import Project

from greenloop.cli.home import Home
from greenloop.records.funnel import Step

GENEROUS = 250.0
INSTALLED = Path(__file__).resolve().parents[3] / "build/acpx/node_modules/acpx/dist/cli.js"
PRICE = "let cent = 1\n"
TILL = 'let sum = Price.cent + "1"\n'
REPLY = (
    "A cent is a penny, and a sum is a number.\n\n"
    "price.ml\n<<<<\nlet cent = 1\n====\nlet penny = 1\n>>>>\n\n"
    'till.ml\n<<<<\nlet sum = Price.cent + "1"\n====\nlet sum = Price.penny + 1\n>>>>\n'
)
REFUSED = 5
"""acpx's exit status where a permission was refused."""
Acpx = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def acpx(home: Path, tmp_path: Path) -> Iterator[Acpx]:
    """Run acpx with words, at the project. Its own state lies in a home of the test's."""
    if not INSTALLED.exists():
        pytest.fail("acpx is missing: run `make acpx`", pytrace=False)
    agent = shlex.join([sys.executable, "-m", "greenloop", "--home", str(home), "acp"])
    node = str(Path(sys.executable).parent / "node")

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [node, str(INSTALLED), "--agent", agent, "--cwd", str(tmp_path / "shop"), "--ttl", "60", *words]
        environment = {**os.environ, "HOME": str(tmp_path), "NO_COLOR": "1"}
        return subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=GENEROUS, cwd=tmp_path, env=environment
        )

    yield run
    # it keeps a process for each session, which ends `greenloop acp` with it
    run("sessions", "close")
    deadline = time.monotonic() + GENEROUS
    while left := [one for one in psutil.process_iter(["cmdline"]) if agent in " ".join(one.info["cmdline"] or ())]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def steps(home: Path) -> list[Step]:
    return [event.step for event in Home(home).funnel.events()]


def test_a_whole_turn(home: Path, project: Project, acpx: Acpx) -> None:
    root = project({"price.ml": PRICE, "till.ml": TILL}, REPLY)
    done = acpx("--approve-all", "exec", "fix that error")
    assert done.returncode == 0, done.stderr
    assert (root / "price.ml").read_text() == "let penny = 1\n"
    assert (root / "till.ml").read_text() == "let sum = Price.penny + 1\n"
    badge = "type-checks (all 2 files together)"
    mistrust = "look twice: it removes a name that others may use"
    for told in (
        "[in_progress] Judge them by the build: checking what was proposed",
        f"Edit price.ml [{badge}; {mistrust}]",
        "(completed)",
        "diff ",
        "Written: price.ml, till.ml [type-checks].",
        "[done] end_turn",
    ):
        assert told in done.stdout, told
    assert steps(home)[-1] is Step.ACCEPTED


def test_what_is_denied_is_not_written(home: Path, project: Project, acpx: Acpx) -> None:
    root = project({"price.ml": PRICE, "till.ml": TILL}, REPLY)
    # it refuses whatever is asked, reading too: then what lies on the disk is taken, and said so
    done = acpx("--deny-all", "--format", "json", "exec", "fix that error")
    assert done.returncode == REFUSED, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    asked = [one["params"]["toolCall"] for one in said if one.get("method") == "session/request_permission"]
    assert [call["content"][0]["path"] for call in asked] == [str(root / "price.ml"), str(root / "till.ml")]
    assert [call["content"][0]["type"] for call in asked] == ["diff", "diff"]
    assert "what lies on the disk is taken" in done.stdout
    assert said[-1]["result"] == {"stopReason": "end_turn"}
    assert (root / "price.ml").read_text() == PRICE
    assert (root / "till.ml").read_text() == TILL
    assert Step.REFUSED in steps(home)
    assert Step.ACCEPTED not in steps(home)


def test_a_session_of_several_prompts_and_errors_by_name(home: Path, project: Project, acpx: Acpx) -> None:
    root = project({"price.ml": PRICE, "till.ml": TILL}, REPLY)
    assert acpx("sessions", "new").returncode == 0
    done = acpx("--approve-all", "prompt", "fix that error")
    assert "Written: price.ml, till.ml [type-checks]." in done.stdout, done.stderr
    again = acpx("--approve-all", "prompt", "fix that error")
    assert "The code is green: there is nothing to fix." in again.stdout, again.stderr
    (root / "greenloop.toml").write_text("[model]\nnam = 1\n")
    failed = acpx("--approve-all", "prompt", "make it one line")
    assert failed.returncode != 0
    assert "model.nam" in failed.stdout + failed.stderr
