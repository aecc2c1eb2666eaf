"""Mining real students' sessions: examples hold what their errors asked for, and everything can be asked after."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from greenloop.records import Example
from greenloop.workspace.edits import apply
from greenloop.workspace.store import TreeStore

Greenloop = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.e2e

SESSIONS = Path(__file__).parent / "data" / "novice-sessions.jsonl.xz"


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def files(folder: Path) -> dict[str, bytes]:
    return {path.name.partition(".")[2]: path.read_bytes() for path in folder.iterdir()}


def test_examples_hold_what_their_errors_asked_for(greenloop: Greenloop, tmp_path: Path) -> None:
    done(greenloop("import", "ocaml-top", SESSIONS))
    counts = json.loads(done(greenloop("mine", "--out", "one/a.jsonl", "--json")))
    minimised = counts["minimised"]
    assert minimised["examples"] >= 5
    assert minimised["hunks_after"] < minimised["hunks_before"]
    assert minimised["lines_after"] < minimised["lines_before"]
    assert minimised["builds"] <= 64 * minimised["searched"]
    examples = [Example.from_json(line) for line in (tmp_path / "one/a.jsonl").read_text().splitlines()]
    store = TreeStore(tmp_path / "home/objects.git")
    assert all(apply(store, one.base, one.edit).tree == one.target for one in examples)
    assert len({one.id for one in examples}) == len(examples) == counts["verified"]

    # again: the same bytes, from stored verdicts
    again = json.loads(done(greenloop("mine", "--out", "two/a.jsonl", "--json")))
    assert again == counts
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert set(files(tmp_path / "one")) == {"jsonl", "funnel.json", "funnel.svg", "dropped.jsonl"}
    ElementTree.fromstring((tmp_path / "one/a.funnel.svg").read_text())

    (tmp_path / "greenloop.toml").write_text("version = 1\n[mining]\nminimise_builds = 0\n")
    whole = json.loads(done(greenloop("mine", "--out", "whole/a.jsonl", "--json")))
    assert whole["minimised"]["builds"] == 0
    larger = [Example.from_json(line) for line in (tmp_path / "whole/a.jsonl").read_text().splitlines()]
    assert sum(one.changed_lines for one in larger) > sum(one.changed_lines for one in examples)


def test_everything_can_be_asked_after(greenloop: Greenloop, tmp_path: Path) -> None:
    done(greenloop("import", "ocaml-top", SESSIONS))
    counts = json.loads(done(greenloop("mine", "--json")))
    examples = [Example.from_json(line) for line in (tmp_path / "examples.jsonl").read_text().splitlines()]
    dropped = [json.loads(line) for line in (tmp_path / "examples.dropped.jsonl").read_text().splitlines()]
    (group,) = counts["groups"]
    steps = {(one["unit"], one["name"]): one["dropped"] for one in group["funnel"]["steps"] if one["dropped"]}
    found = Counter((one["unit"], one["rule"]) for one in dropped)
    assert found == {key: count for key, count in steps.items() if key[0] in ("runs of red", "candidates")}

    smaller = []
    for one in examples[2:4]:
        told = json.loads(done(greenloop("mine", "--explain", one.id, "--json")))
        assert told["note"] == ""
        assert told["example"]["id"] == one.id
        assert told["judged"] == {
            "base": ["red"] * 3, "target": [("red" if one.origin.value == "subfix" else "green")] * 3,
        }  # fmt: skip
        (base,) = (state for state in told["states"] if state["base"])
        assert base["tree"] == one.base
        assert base["counts"]
        smaller += [one] if told["left_out"] else []
        seq = f"{one.workspace}#{base['first_seq']}"
        why = json.loads(done(greenloop("mine", "--why-dropped", seq, "--json")))
        assert one.id in {candidate["example"] for candidate in why["candidates"]}
    assert smaller
    shown = done(greenloop("mine", "--explain", smaller[0].id[:10]))
    for words in ("left out what the error did not ask for:", "judged 3 times, alike", smaller[0].prompt, "(base)"):
        assert words in shown

    for one in [one for one in dropped if one["unit"] == "runs of red"][:1]:
        why = json.loads(done(greenloop("mine", "--why-dropped", f"{one['workspace']}#{one['first_seq']}", "--json")))
        assert why["run"]["rule"] == one["rule"]
    said = done(greenloop("mine", "--why-dropped", f"{examples[0].workspace}#0"))
    assert "It begins a stretch (start)" in said
