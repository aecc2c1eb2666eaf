"""The whole loop by the commands that people type, with the real compiler in the real sandbox."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Greenloop = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.e2e

GREEN = "let half x = x / 2\nlet twice x = x * 2\n"
RED = 'let half x = x / "2"\nlet twice x = x * 2\n'
STUB = 'let half x = failwith "todo"\nlet twice x = x * 2\n'
FIX = 'a.ml\n<<<<\nlet half x = x / "2"\n====\nlet half x = x / 2\n>>>>\n'


def sessions(path: Path) -> None:
    """Write what four students did: each breaks a definition of their own and mends it."""
    lines = []
    for number, student in enumerate(("ann", "bob", "cyd", "dee")):
        for minute, text in enumerate((GREEN, RED, GREEN + f"let mine = {number}\n")):
            lines.append(
                {
                    "term": "t", "student": student, "file": "a.ml", "time": 60.0 * minute, "cursor": 0,
                    "event": "eval", "region": {"start": 0, "stop": 0}, "results": [],
                    "body": text.replace("twice", f"twice_{student}"),
                }
            )  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_from_sessions_to_a_report(greenloop: Greenloop, tmp_path: Path) -> None:
    sessions(tmp_path / "sessions.jsonl")
    done(greenloop("import", "ocaml-top", tmp_path / "sessions.jsonl"))
    counts = json.loads(done(greenloop("mine", "--out", "examples.jsonl", "--json")))
    assert counts["verified"] == 4
    assert counts["snapshots"] == 12
    build = ("dataset", "build", "examples.jsonl", "--valid", "0.25", "--test", "0.25")
    done(greenloop(*build, "--out", "set"))
    card = json.loads(done(greenloop("dataset", "card", "set", "--json")))
    assert [card["parts"][part]["examples"] for part in ("train", "valid", "test")] == [2, 1, 1]
    assert "data_files" not in done(greenloop("dataset", "card", "set"))

    first = {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()}
    done(greenloop("mine", "--out", "again.jsonl"))
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "examples.jsonl").read_bytes()
    done(greenloop(*build[:2], "again.jsonl", *build[3:], "--out", "set2"))
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "set2").iterdir()}

    (tmp_path / "good.jsonl").write_text(json.dumps({"replies": [FIX]}) + "\n")
    (tmp_path / "bad.jsonl").write_text(json.dumps({"replies": [FIX.replace("x / 2", 'failwith "later"')]}) + "\n")
    evaluate = ("eval", "run", "--dataset", "set", "--json")
    good = json.loads(done(greenloop(*evaluate, "--model", "scripted:good.jsonl", "--out", "runs/good")))
    bad = json.loads(done(greenloop(*evaluate, "--model", "scripted:bad.jsonl", "--out", "runs/bad")))
    assert [score["value"] for score in good["scores"] if score["name"] == "fixed@1"] == [1.0]
    assert [score["value"] for score in bad["scores"] if score["name"] == "fixed@1"] == [0.0], "a stub is no fix"

    page = (
        "eval",
        "report",
        "--examples",
        "examples.jsonl",
        "--dataset",
        "set",
        "--eval",
        "runs/good",
        "--out",
        "page.html",
    )
    done(greenloop(*page))
    html = (tmp_path / "page.html").read_text()
    assert "<svg" in html
    assert "100.0 %" in html
    assert "http://" not in html.replace("http://www.w3.org", ""), "nothing is fetched"


def test_a_history_travels_to_another_home(greenloop: Greenloop, tmp_path: Path) -> None:
    sessions(tmp_path / "sessions.jsonl")
    done(greenloop("import", "ocaml-top", tmp_path / "sessions.jsonl"))
    done(greenloop("record", "export", "history.jsonl.xz", "--workspace", "ocaml-top/t/ann"))
    listed = done(greenloop("--home", tmp_path / "other", "record", "import", "history.jsonl.xz"))
    assert listed.startswith("1 workspaces, 3 snapshots")
    shown = done(greenloop("--home", tmp_path / "other", "record", "log", "ocaml-top/t/ann/a.ml", "--judge"))
    assert [word for word in shown.split() if word in {"green", "red"}] == ["green", "red", "green"]


def test_fix_shows_a_verified_diff_and_writes_only_when_asked(greenloop: Greenloop, tmp_path: Path) -> None:
    """In a Mercurial checkout, on a change that was never committed."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    subprocess.run(["hg", "init", str(folder)], check=True)
    (folder / "a.ml").write_text(GREEN)
    subprocess.run(["hg", "--cwd", str(folder), "commit", "-Aqm", "green", "-u", "ann"], check=True)
    (folder / "a.ml").write_text(RED)
    (tmp_path / "script.jsonl").write_text(json.dumps({"replies": ["no idea", FIX]}) + "\n")
    fix = ("fix", folder, "--model", f"scripted:{tmp_path / 'script.jsonl'}", "-n", "3")
    shown = done(greenloop(*fix))
    assert "+let half x = x / 2" in shown
    assert "type-checks" in shown
    assert (folder / "a.ml").read_text() == RED
    assert json.loads(done(greenloop(*fix, "--json", "--apply")))["written"] == ["a.ml"]
    assert (folder / "a.ml").read_text() == GREEN
    assert "nothing to fix" in done(greenloop("fix", folder))


def test_a_stub_is_told_and_never_written(greenloop: Greenloop, tmp_path: Path) -> None:
    folder = tmp_path / "loose"
    folder.mkdir()
    (folder / "a.ml").write_text(RED)
    (folder / "greenloop.toml").write_text("[search]\nenabled = false\n")
    stub = FIX.replace("let half x = x / 2\n>", 'let half x = failwith "todo"\n>')
    (tmp_path / "script.jsonl").write_text(json.dumps({"replies": [stub]}) + "\n")
    result = greenloop("fix", folder, "--model", f"scripted:{tmp_path / 'script.jsonl'}", "-n", "1", "--apply")
    assert result.returncode == 2
    assert "stub" in result.stdout
    assert "not written" in result.stderr
    assert (folder / "a.ml").read_text() == RED


def test_ask_judges_what_it_shows(greenloop: Greenloop, tmp_path: Path) -> None:
    folder = tmp_path / "loose"
    folder.mkdir()
    (folder / "a.ml").write_text(GREEN)
    good = "a.ml\n<<<<\nlet twice x = x * 2\n====\nlet twice x = x + x\n>>>>\n"
    broken = good.replace("x + x", "x + true")
    for reply, badge, status in ((good, "type-checks", 0), (broken, "1 error", 1)):
        (tmp_path / "script.jsonl").write_text(json.dumps({"replies": [reply]}) + "\n")
        words = ("ask", "add instead of multiplying", "--in", folder, "-n", "1")
        result = greenloop(*words, "--model", f"scripted:{tmp_path / 'script.jsonl'}")
        assert result.returncode == status, result.stdout + result.stderr
        assert badge in result.stdout
