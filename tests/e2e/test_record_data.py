"""What becomes of a recording: exported, imported, pushed, checked and purged, by the commands that a person types."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from greenloop.cli.home import Home
from greenloop.snapshots.recorder import Recorder, workspace_for
from greenloop.snapshots.watching import Changes, ScriptedWatcher
from greenloop.workspace.vcs import WorkingCopy

pytestmark = pytest.mark.e2e

NEEDLE = "nobody's business but mine"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home in which Ann's work on a ledger was recorded: two files, four snapshots."""
    root = tmp_path / "work"
    root.mkdir()
    (root / "a.ml").write_text("let a = 1\n")

    def write(name: str, text: str) -> Callable[[], Changes]:
        def act() -> Changes:
            (root / name).write_text(text)
            return Changes(whole="written")

        return act

    steps = [write("notes.txt", NEEDLE), write("a.ml", "let a = 2\n"), write("a.ml", "let a = 3\n")]
    home = Home(tmp_path / "home")
    reader = WorkingCopy(root, home.trees, tmp_path / "home/recorder/ledger/cache")
    Recorder(home.snapshots, workspace_for("Ann", "ledger"), reader, ScriptedWatcher(steps)).run(Event())
    home.snapshots.close()
    return home.path


def record(home: Path, *arguments: str | Path, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "greenloop", "--home", str(home), "record", *map(str, arguments)],
        capture_output=True, check=False, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", ["history.jsonl.xz", "history.pack"])
def test_what_is_exported_is_imported_elsewhere(home: Path, tmp_path: Path, name: str) -> None:
    kind = "pack" if name.endswith(".pack") else "jsonl"
    assert "4 snapshots" in record(home, "export", tmp_path / name, "--format", kind, "--pseudonyms")

    other = tmp_path / "other"
    assert "4 new snapshots" in record(other, "import", tmp_path / name)
    assert "0 new snapshots" in record(other, "import", tmp_path / name)
    listed = record(other, "log")
    assert "ledger" in listed
    assert "Ann" not in listed
    assert "4 snapshots, and all that they hold, are whole" in record(other, "check")


@pytest.mark.parametrize(("kind", "file"), [("parquet", "snapshots.parquet"), ("progsnap2", "MainTable.csv")])
def test_tables_go_out(home: Path, tmp_path: Path, kind: str, file: str) -> None:
    record(home, "export", tmp_path / "tables", "--format", kind)

    assert (tmp_path / "tables" / file).stat().st_size > 0


def test_an_unknown_format_is_one_clear_error(home: Path, tmp_path: Path) -> None:
    said = record(home, "export", tmp_path / "x", "--format", "csv", status=2)
    assert "there are: jsonl, pack, parquet, progsnap2" in said


def test_a_team_collects_in_a_folder(home: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    assert "4 new snapshots" in record(home, "push", shared)
    assert "0 new snapshots" in record(home, "push", shared)
    other = tmp_path / "other"
    assert "4 new snapshots" in record(other, "import", shared)

    record(home, "purge", "--workspace", "recorder/Ann/ledger", "--all", "--yes")
    assert "withdrawn there" in record(home, "push", shared)
    assert "was purged where it came from, and is still here" in record(other, "import", shared)
    assert NEEDLE.encode() not in b"".join(path.read_bytes() for path in shared.rglob("*") if path.is_file())


def test_what_a_person_takes_back_is_gone(home: Path) -> None:
    ledger = ("--workspace", "recorder/Ann/ledger")
    assert "cannot be undone" in record(home, "purge", *ledger, "--all", status=2)
    assert "exactly one of" in record(home, "purge", *ledger, "--yes", status=2)
    assert "is no time" in record(home, "purge", *ledger, "--since", "soon", "--yes", status=2)
    assert "nothing that is recorded matches" in record(home, "purge", *ledger, "--path", "*.mli", "--yes", status=2)

    said = record(home, "purge", *ledger, "--path", "notes.txt", "--yes")
    assert "3 snapshots are gone or changed" in said
    store = Home(home).snapshots
    names = [sorted(store.trees.files(one.tree)) for one in store.snapshots("recorder/Ann/ledger")]
    assert names == [["a.ml"]] * 4
    store.close()
    audit = record(home, "audit")
    assert "purge by" in audit
    assert "notes" not in audit


def test_upkeep_drops_what_is_too_old_and_says_what_is_left(home: Path, tmp_path: Path) -> None:
    (tmp_path / "greenloop.toml").write_text("version = 1\n[record]\nkeep_days = 1\n")
    assert "0 entries dropped" in record(home, "upkeep", tmp_path)
    assert "4 snapshots, and all that they hold, are whole" in record(home, "check")


def test_damage_is_told(home: Path) -> None:
    for pack in (home / "objects.git/objects/pack").glob("*.pack"):
        content = bytearray(pack.read_bytes())
        content[len(content) // 2] ^= 1
        pack.chmod(0o644)
        pack.write_bytes(content)

    assert record(home, "check", status=1).strip()
