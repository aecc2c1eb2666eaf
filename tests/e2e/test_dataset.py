"""From real sessions of students to files that a trainer reads, by the commands that people type."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Greenloop = Callable[..., subprocess.CompletedProcess[str]]
Done = Callable[..., str]
pytestmark = pytest.mark.e2e

SESSIONS = Path(__file__).parent / "data" / "novice-sessions.jsonl.xz"


@pytest.fixture
def done(greenloop: Greenloop) -> Done:
    def run(*arguments: object) -> str:
        result = greenloop(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return run


@pytest.fixture
def mined(done: Done, tmp_path: Path) -> Path:
    done("import", "ocaml-top", SESSIONS)
    done("mine", "--out", "examples.jsonl")
    return tmp_path / "examples.jsonl"


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_from_real_sessions_to_a_trainer(done: Done, greenloop: Greenloop, mined: Path, tmp_path: Path) -> None:
    examples = {str(one["id"]): one for one in lines(mined)}
    done("dataset", "build", mined, "--out", "set", "--valid", "0")
    dropped = [json.loads(line) for line in done("dataset", "dropped", "set", "--json").splitlines()]
    pairs = {(examples[one["id"]]["author"], examples[one["because"].split()[1]]["author"]) for one in dropped}
    assert {one["rule"] for one in dropped} == {"near-duplicate of another example"}
    assert ("student15", "student37") in pairs, "the same slip of two students in one exercise"
    assert all(one["episode"] for one in examples.values())

    card = json.loads(done("dataset", "card", "set", "--json"))
    kept = sum(part["examples"] for part in card["parts"].values())
    assert kept + len(dropped) == len(examples)
    assert card["own_left_out"] == 0
    told = json.loads(mined.with_name("examples.funnel.json").read_text())
    assert card["mined"]["trees"] == told["groups"][0]["trees"]
    assert card["mined"]["cuts"] == told["groups"][0]["cuts"]
    assert card["mined"]["minimised"] == told["minimised"]
    assert sum(card["origins"].values()) == kept
    assert card["origins"].keys() == {"episode", "earlier", "subfix"}
    shown = done("dataset", "card", "set")
    assert "near-duplicate of another" in shown
    assert "whole authors only; 0% valid, 10% test" in " ".join(shown.split())
    first = {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()}

    # another order, one worker: the same bytes
    (tmp_path / "turned.jsonl").write_text("".join(reversed(mined.read_text().splitlines(keepends=True))))
    (tmp_path / "turned.funnel.json").write_bytes((tmp_path / "examples.funnel.json").read_bytes())
    (tmp_path / "greenloop.toml").write_text("version = 1\n[build]\nworkers = 1\n")
    done("dataset", "build", "turned.jsonl", "--out", "set2", "--valid", "0")
    assert {path.name: path.read_bytes() for path in (tmp_path / "set2").iterdir()} == first

    for kind in ("chat", "prompt-completion", "trl", "parquet", "tasks"):
        told = done("dataset", "export", "set", "--format", kind, "--out", f"out/{kind}")
        assert len(told.splitlines()) == len(list((tmp_path / "out" / kind).iterdir())) == 2
    tasks = lines(tmp_path / "out" / "tasks" / "train.jsonl")
    for task in tasks:
        # neither the solution nor the tree that it leads to is told
        example = examples[str(task["id"])]
        assert not {"edit", "target"} & task.keys()
        assert str(example["target"]) not in json.dumps(task)
    again = greenloop("dataset", "export", "set", "--format", "chat", "--out", "out/chat")
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_choices_of_what_stays(done: Done, greenloop: Greenloop, mined: Path, tmp_path: Path) -> None:
    done("dataset", "build", mined, "--out", "all", "--valid", "0")
    held_out = {str(one["id"]) for one in lines(tmp_path / "all" / "test.jsonl")}
    against = ("--against", "all", "--against", mined.with_name("one.jsonl"))
    other = next(line for line in mined.read_text().splitlines() if json.loads(line)["id"] not in held_out)
    (tmp_path / "one.jsonl").write_text(other + "\n")
    done("dataset", "build", mined, "--out", "clean", "--by", "time", "--gap", "0", *against)
    gone = [json.loads(line) for line in done("dataset", "dropped", "clean", "--rule", "nearly", "--json").splitlines()]
    assert held_out | {json.loads(other)["id"]} <= {one["id"] for one in gone}
    assert {one["rule"].split()[1] for one in gone} == {"all", "one.jsonl"}

    done("dataset", "build", mined, "--out", "few", "--max-per-author", "2", "--max-per-file", "2")
    card = json.loads(done("dataset", "card", "few", "--json"))
    assert max(card["authors"].values()) == 2

    (tmp_path / "greenloop.toml").write_text("version = 1\n[dataset]\nnear_duplicate = 1.0\n")
    done("dataset", "build", mined, "--out", "strict")
    assert done("dataset", "dropped", "strict").strip() == "0 of 0 left out."
    timely = ("dataset", "build", mined, "--out", "timely", "--by", "time", "--gap", "60")
    done(*timely)
    assert "60 s between the parts" in json.loads(done("dataset", "card", "timely", "--json"))["split"]

    for words, message in (
        (("dataset", "build", mined, "--by", "directory"), "of one directory"),
        (("dataset", "build", mined, "--against", "nowhere.jsonl"), "nowhere.jsonl"),
        (("dataset", "build", mined, "--max-per-file", "-1"), "no quota"),
        (("dataset", "dropped", "few", "--rule", "secret"), "over 2 of one author"),
    ):
        refused = greenloop(*words)
        assert refused.returncode in {1, 2}, refused.stdout
        assert message in " ".join(refused.stderr.split())
        assert refused.stderr.count("greenloop:") == 1
        assert not (tmp_path / "dataset").exists()
