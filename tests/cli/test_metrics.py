"""`greenloop metrics` and `greenloop experiments` as people see them."""

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Recorded

from greenloop.cli.home import Home
from greenloop.records.funnel import FunnelEvent, Step, label

Greenloop = Callable[..., subprocess.CompletedProcess[str]]


def add(home: Home, step: Step, **fields: object) -> None:
    home.funnel.add(FunnelEvent.model_validate({"time": 1_700_000_000.0, "step": step, "turn": "t1", **fields}))


def test_the_funnel_from_the_request_to_what_was_kept(greenloop: Greenloop, recorded: Recorded) -> None:
    home, start = recorded.home, 1_700_000_000.0
    recorded.save("a.ml", "let x = 1\n")
    before = recorded.snapshot(start)
    recorded.save("a.ml", "let x = 2\nlet y = 3\n")
    after = recorded.snapshot(start + 10)
    recorded.save("a.ml", "let x = 2\n")
    recorded.snapshot(start + 200)
    recorded.snapshot(start + 9000)
    trees = {"base": before.tree, "result": after.tree}
    add(home, Step.REQUESTED)
    add(home, Step.SHOWN, suggestion="s1", hunks=2)
    where = label(recorded.workspace.id)
    add(home, Step.ACCEPTED, suggestion="s1", acceptance="a1", hunks=1, workspace=where, time=start + 5, **trees)
    add(home, Step.ENDED, outcome="done", first_token_ms=250.0, total_ms=2000.0)
    home.funnel.close()
    told = json.loads(greenloop("metrics", "--json").stdout)
    assert told["suggestions"]["accepted"] == 1
    assert (told["hunks"]["accepted"], told["hunks"]["shown"]) == (1, 2)
    assert told["kept"]["2min"] == {"acceptances": 1, "lines": 3, "of": 3, "whole": 1}
    assert told["kept"]["10min"]["lines"] == 2
    assert told["waits"]["first_token"]["p50"] == 250.0
    shown = greenloop("metrics").stdout
    assert "lines kept after 10min" in shown
    assert "66.7 %" in shown
    counters = greenloop("metrics", "--prometheus").stdout
    assert 'greenloop_aid_steps_total{kind="",step="accepted"} 1.0' in counters
    nothing = json.loads(greenloop("metrics", "--json", "--since", "1h").stdout)
    assert nothing["turns"] == 0
    assert nothing["kept"] == {}


def test_without_turns_it_says_so(greenloop: Greenloop) -> None:
    done = greenloop("metrics")
    assert done.returncode == 0
    assert "No turns yet" in done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / "greenloop.toml").write_text(
        '[experiments.hints.arms.control]\n[experiments.hints.arms.long]\ncontext = "long"\n'
    )
    return folder


def filled(home: Home, chance: dict[str, float], *, loses: float = 0.0) -> None:
    draw = random.Random(2)
    with home.funnel as funnel:
        for number in range(1000):
            arm = draw.choice(sorted(chance))
            if arm == "long" and draw.random() < loses:
                continue
            ids = {"turn": f"t{number}", "task": f"c{number}", "developer": f"d{number % 8}"}
            time = 1_700_000_000.0 + number
            shown = {**ids, "time": time, "suggestion": f"s{number}", "arms": {"hints": arm}}
            funnel.add(FunnelEvent.model_validate({**shown, "step": Step.SHOWN}))
            if draw.random() < chance[arm]:
                funnel.add(FunnelEvent.model_validate({**shown, "step": Step.ACCEPTED, "acceptance": f"a{number}"}))


def test_an_experiment_is_reported(greenloop: Greenloop, project: Path, tmp_path: Path) -> None:
    filled(Home(tmp_path / "home"), {"control": 0.2, "long": 0.5})
    (told,) = json.loads(greenloop("experiments", "report", "--json", cwd=project).stdout)
    assert told["differences"][0]["verdict"] == "better"
    shown = greenloop("experiments", "report", "hints", cwd=project)
    assert shown.returncode == 0
    assert "sample ratio p" in shown.stdout
    assert "primary accepted, long: better, by +0." in shown.stdout
    assert "guardrail first_diff_ms, long: too early" in shown.stdout


def test_a_wrong_sample_ratio_ends_with_status_1(greenloop: Greenloop, project: Path, tmp_path: Path) -> None:
    filled(Home(tmp_path / "home"), {"control": 0.2, "long": 0.5}, loses=0.4)
    done = greenloop("experiments", "report", cwd=project)
    assert done.returncode == 1
    assert "Stopped" in done.stdout
    assert "better" not in done.stdout


def test_a_report_over_a_team(greenloop: Greenloop, project: Path, tmp_path: Path) -> None:
    filled(Home(tmp_path / "other"), {"control": 0.2, "long": 0.5})
    file = tmp_path / "other.jsonl"
    exported = greenloop("--home", tmp_path / "other", "experiments", "export", "--out", file)
    assert exported.returncode == 0, exported.stderr
    # handed in twice it counts once
    done = greenloop("experiments", "report", "--json", "--with", file, "--with", file, cwd=project)
    (told,) = json.loads(done.stdout)
    assert sum(told["exposed"].values()) == 1000
    assert told["differences"][0]["verdict"] == "better"
    file.write_text(file.read_text()[:-9])
    broken = greenloop("experiments", "report", "--with", file, cwd=project)
    assert broken.returncode == 2
    assert "cut short" in broken.stderr


def test_an_experiment_that_is_not_there_is_named(greenloop: Greenloop, project: Path) -> None:
    done = greenloop("experiments", "report", "other", cwd=project)
    assert done.returncode == 2
    assert "there is: hints" in done.stderr
