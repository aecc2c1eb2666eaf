"""Prompts of mined examples by the commands that people type: wished, measured, and by a model that may fail."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Greenloop = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.e2e

FILES = {
    "dune-project": "(lang dune 2.9)\n",
    "dune": "(library (name geometry))\n",
    "geometry.mli": "type shape = Circle of int | Square of int\nval area : shape -> int\n"
    "val scaled : shape -> int -> shape\n",
    "geometry.ml": "type shape = Circle of int | Square of int\n"
    "let area = function Circle r -> 3 * r * r | Square s -> s * s\n"
    "let scaled shape factor =\n  match shape with\n  | Circle r -> Circle (r * factor)\n"
    "  | Square s -> Square (s * factor)\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "shapes"
    root.mkdir()
    for name, text in FILES.items():
        (root / name).write_text(text)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "green")):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


def settings(project: Path, prompts: str = "", model: str = "") -> None:
    (project / "greenloop.toml").write_text(f"[model]\nname = '{model or 'local'}'\n[mining.prompts]\n{prompts}\n")


def mine(greenloop: Greenloop, project: Path) -> tuple[dict[str, Any], bytes]:
    """Mine, and return the counts of prompts and the file of examples."""
    target = project.parent / "s.jsonl"
    done = greenloop("mine", "--synthetic", "--rev", "HEAD", "--count", "6", "--out", target, "--json", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(done.stdout)
    assert counts["verified"] == len(target.read_bytes().splitlines()) == 6
    return counts["prompts"], target.read_bytes()


def test_prompts_are_wished_measured_and_asked_of_a_model(greenloop: Greenloop, project: Path, tmp_path: Path) -> None:
    settings(project, "lengths = {8-15 = 1}\nstyles = {sentence = 1}")
    counts, by_rules = mine(greenloop, project)
    assert counts["distribution"] == "settings"
    assert counts["wished"] == {"lengths": {"8-15": 6}, "styles": {"sentence": 6}}
    assert counts["lengths"] == {"8-15": 6}
    assert counts["not_supplied"] == {"length": 0, "style": 0}

    # a service that is down costs nothing but its words
    settings(
        project,
        "lengths = {8-15 = 1}\nstyles = {sentence = 1}\nmost_failures = 2\nmodel = 'openai:m@http://127.0.0.1:9/v1'",
    )
    counts, down = mine(greenloop, project)
    assert down == by_rules
    model = counts["model"]
    assert model["taken"] == {"descriptions": 0, "prompts": 0}
    assert model["failed"] >= 2
    assert model["failed"] + model["not_asked"] == 12
    assert "cannot be reached" in model["error"]

    # one that answers: half of its words are lies
    script = tmp_path / "script.jsonl"
    request = "Please fix that error so that it compiles again."
    replies = [
        {"contains": "You describe", "replies": ["The frobnicator was misconfigured."]},
        {"replies": [request]},
    ]
    script.write_text("".join(json.dumps(one) + "\n" for one in replies))
    settings(project, f"lengths = {{8-15 = 1}}\nstyles = {{sentence = 1}}\nmodel = 'scripted:{script}'")
    counts, asked = mine(greenloop, project)
    model = counts["model"]
    assert model["taken"]["descriptions"] == 0
    assert model["taken"]["prompts"] == 6
    assert model["rejected"] == {"names what is not there": 12}
    assert model["asked"] == 18
    examples = [json.loads(line) for line in asked.splitlines()]
    assert {one["prompt"] for one in examples} == {request}
    assert [one["description"] for one in examples] == [
        json.loads(line)["description"] for line in by_rules.splitlines()
    ]
    again, same = mine(greenloop, project)
    assert (again, same) == (counts, asked)


def test_what_people_typed_is_logged_and_measured(greenloop: Greenloop, project: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text('{"replies": ["nothing to say"]}\n')
    settings(project, model=f"scripted:{script}")
    greenloop("ask", "could this be a lot faster?", cwd=project)
    greenloop("ask", "use the key AKIAZ7QW3ERT5YUI9OPX", cwd=project)  # pragma: allowlist secret
    log = tmp_path / "home/feedback.jsonl"
    events = [json.loads(line) for line in log.read_text().splitlines()]
    asked = [one for one in events if one["kind"] == "requested"]
    assert [one["words"] for one in asked] == ["could this be a lot faster?", ""]

    with log.open("a") as file:
        file.write((json.dumps(asked[0]) + "\n") * 49)
    counts, _ = mine(greenloop, project)
    assert counts["distribution"] == "log"
    assert counts["wished"] == {"lengths": {"4-7": 6}, "styles": {"question": 6}}
    assert counts["lengths"] == {"4-7": 6}
    assert counts["styles"] == {"question": 6}
