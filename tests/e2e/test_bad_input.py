"""Whatever goes wrong: one clear error that names the thing and the way out, status 1 or 2, nothing half written."""

import json
import lzma
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Greenloop = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.e2e

EVENT = {
    "term": "t", "student": "ann", "file": "a.ml", "time": 1.0, "cursor": 0, "event": "eval",
    "region": {"start": 0, "stop": 0}, "body": "let x = 1\n", "results": [],
}  # fmt: skip


NO_SEARCH = "[search]\nenabled = false\n"


def fails(done: subprocess.CompletedProcess[str], status: int, *named: str) -> None:
    """Check that a command failed as people may expect: by name, without a traceback, with its status."""
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for word in named:
        assert word in done.stderr
    assert "→" in done.stderr, "the way out is told"


@pytest.fixture
def red(tmp_path: Path) -> Path:
    """Return a folder with one red OCaml file."""
    folder = tmp_path / "red"
    folder.mkdir()
    (folder / "a.ml").write_text('let half x = x / 2\nlet y = half "4"\n')
    return folder


def test_a_truncated_archive(greenloop: Greenloop, tmp_path: Path) -> None:
    whole = lzma.compress("".join(json.dumps(EVENT | {"time": float(n)}) + "\n" for n in range(500)).encode())
    path = tmp_path / "cut.jsonl.xz"
    path.write_bytes(whole[: len(whole) - 20])
    fails(greenloop("import", "ocaml-top", path), 2, "cut.jsonl.xz")
    assert "ocaml-top" not in greenloop("record", "log").stdout, "nothing of it came in"


def test_a_foreign_file(greenloop: Greenloop, tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text('{"name": "something else"}\n')
    fails(greenloop("import", "ocaml-top", path), 2, "other.jsonl:1")
    fails(greenloop("record", "import", path), 2, "other.jsonl")


def test_a_file_that_is_not_utf8(greenloop: Greenloop, tmp_path: Path) -> None:
    path = tmp_path / "latin.jsonl"
    path.write_bytes(json.dumps(EVENT).encode() + b'\n{"term": "\xe9t\xe9"}\n')
    fails(greenloop("import", "ocaml-top", path), 2, "latin.jsonl:2")
    assert "ocaml-top" not in greenloop("record", "log").stdout


def test_a_missing_file(greenloop: Greenloop, tmp_path: Path) -> None:
    fails(greenloop("import", "ocaml-top", tmp_path / "nowhere"), 2, "nowhere")


def test_nothing_to_mine(greenloop: Greenloop, tmp_path: Path) -> None:
    fails(greenloop("mine", "--out", tmp_path / "examples.jsonl"), 2, "no history")
    assert not (tmp_path / "examples.jsonl").exists()


def test_only_green_gives_no_dataset_and_says_why(greenloop: Greenloop, tmp_path: Path) -> None:
    sessions = tmp_path / "sessions.jsonl"
    sessions.write_text(
        "".join(json.dumps(EVENT | {"time": float(n), "body": f"let x = {n}\n"}) + "\n" for n in (1, 2))
    )
    assert greenloop("import", "ocaml-top", sessions).returncode == 0
    mined = greenloop("mine", "--out", tmp_path / "examples.jsonl")
    assert mined.returncode == 0, mined.stderr
    fails(greenloop("dataset", "build", tmp_path / "examples.jsonl", "--out", tmp_path / "set"), 2, "no examples")
    assert not (tmp_path / "set").exists()


def test_a_repository_without_commits_is_repaired_all_the_same(greenloop: Greenloop, tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (folder / "a.ml").write_text("let half x = x / 2\nlet y = hal 4\n")
    done = greenloop("fix", folder, "-n", "1", "--apply")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "a.ml").read_text() == "let half x = x / 2\nlet y = half 4\n"


def test_an_empty_folder(greenloop: Greenloop, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    fails(greenloop("fix", tmp_path / "empty"), 2, "no files")


def test_a_project_of_an_unknown_language(greenloop: Greenloop, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "main.zig").write_text("")
    fails(greenloop("fix", tmp_path / "p"), 2, "greenloop.toml")


def test_a_dune_project_that_does_not_build(greenloop: Greenloop, tmp_path: Path) -> None:
    """What is wrong lies in a build file, which no candidate may change: said plainly, and nothing is written."""
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "dune-project").write_text("(lang dune 2.9)\n")
    (folder / "dune").write_text("(library (name p) (libraries nowhere_to_be_found))\n")
    (folder / "p.ml").write_text("let x = 1\n")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = greenloop("fix", folder, "-n", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "nowhere_to_be_found" in done.stdout
    assert "Traceback" not in done.stderr
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_missing_compiler(greenloop: Greenloop, red: Path) -> None:
    (red / "greenloop.toml").write_text('[ocaml_file]\npath = "/nowhere"\n')
    fails(greenloop("fix", red), 1, "ocamlc", "apt-get install")


@pytest.mark.parametrize("reply", ["I would rather not.", "", "<<<<\n====\n>>>>", "x" * 100_000])
def test_a_model_that_answers_nonsense_or_nothing(greenloop: Greenloop, tmp_path: Path, red: Path, reply: str) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text(json.dumps({"replies": [reply]}) + "\n")
    (red / "greenloop.toml").write_text(NO_SEARCH)
    source = (red / "a.ml").read_bytes()
    done = greenloop("fix", red, "-n", "1", "--model", f"scripted:{script}", "--apply")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "Nothing to show" in done.stdout
    assert (red / "a.ml").read_bytes() == source


def test_a_model_server_that_is_down(greenloop: Greenloop, red: Path) -> None:
    nobody = ("fix", red, "-n", "1", "--model", "openai:any@http://127.0.0.1:9/v1")
    # the search needs no model, and the fault is told beside what it found
    searched = greenloop(*nobody)
    assert searched.returncode == 0, searched.stdout + searched.stderr
    assert "127.0.0.1:9" in searched.stdout
    assert "by search" in searched.stdout
    (red / "greenloop.toml").write_text(NO_SEARCH)
    fails(greenloop(*nobody), 1, "127.0.0.1:9")


def test_an_unknown_model(greenloop: Greenloop, red: Path) -> None:
    fails(greenloop("fix", red, "--model", "gpt-99"), 2, "gpt-99", "local")


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """On a file system of 1 MiB an import fails by name, and what was there before can still be read."""
    small = tmp_path / "small.jsonl"
    small.write_text(json.dumps(EVENT) + "\n")
    large = tmp_path / "large.jsonl"
    # letters that do not compress, and none that ends a comment
    noise = [random.Random(n).randbytes(2000).hex() for n in range(800)]
    large.write_text("".join(json.dumps(EVENT | {"file": "b.ml", "time": 2.0 + n, "body": f"(* {body} *)"}) + "\n"
                             for n, body in enumerate(noise)))  # fmt: skip
    home = tmp_path / "home"
    home.mkdir()
    greenloop = f"{sys.executable} -m greenloop --home {home}"
    script = f"""
        mount -t tmpfs -o size=1m none {home} || exit 99
        {greenloop} import ocaml-top {small} || exit 98
        {greenloop} import ocaml-top {large}; echo "status $?"
        {greenloop} record log
    """
    done = subprocess.run(["unshare", "-Urm", "/bin/sh", "-c", script], capture_output=True, text=True, check=False)
    assert "status 1" in done.stdout, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "disk is full" in done.stderr
    assert "→" in done.stderr
    assert "ocaml-top/t/ann/a.ml" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("ocaml-top/t/ann/a.ml"))
    assert row.split()[2] == "1", "the snapshot from before is there"
    assert "b.ml" not in done.stdout, "and nothing of the import that failed"
