"""A purge: what goes is off the disk, by a search of every byte of the home; what stays is untouched, killed or not."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.snapshots.bytes_of import places
from tests.snapshots.histories import ANN, BOB, Files, held, open_store, written

from greenloop.builds.shelf import Shelf
from greenloop.builds.verdicts import VerdictStore
from greenloop.records import (
    BuildReport,
    Category,
    Diagnostic,
    InputError,
    Overloaded,
    RecordError,
    Severity,
    Snapshot,
    Status,
    Suite,
    TreeId,
    Verdict,
)
from greenloop.snapshots.exports.scratch import scratch
from greenloop.snapshots.purge import Purged, Scope, purge, unfinished
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.upkeep import Upkeep

NEEDLE = b"correct-horse-battery"
NAME = b"unspeakable"
SHARED = b"let shared = 1\n" * 20

STATES: tuple[Files, ...] = (
    {"a.ml": b"let a = 1\n", "shared.ml": SHARED},
    {"a.ml": b"let a = 1\n", "shared.ml": SHARED, "d/unspeakable.ml": b"let k = " + NEEDLE + b" 1\n"},
    {"a.ml": b"let a = 2\n", "shared.ml": SHARED, "d/unspeakable.ml": b"let k = " + NEEDLE + b" 2\n"},
    {"a.ml": b"let a = 2\n", "shared.ml": SHARED, "d/unspeakable.ml": b"let k = " + NEEDLE + b" 2\n"},
    {"a.ml": b"let a = 3\n", "shared.ml": SHARED},
)


def said(text: str, path: str | None = None) -> Diagnostic:
    return Diagnostic(severity=Severity.ERROR, category=Category.TYPE, message=text, path=path)


@dataclass(frozen=True)
class Home:
    """A home in which the needle is everywhere where it can be."""

    path: Path

    @property
    def store(self) -> SnapshotStore:
        return open_store(self.path)

    def fill(self, repack: bool = True) -> "Home":
        store = self.store
        for workspace in (ANN, BOB):
            store.add_workspace(workspace)
        for seq, files in enumerate(STATES):
            tree = written(store.trees, files)
            store.add([Snapshot(workspace=ANN.id, seq=seq, time=100.0 + seq, tree=tree)])
            if seq == 2 and repack:
                Upkeep(store.trees).repack(thorough=True)
        store.add([Snapshot(workspace=BOB.id, seq=0, time=1.0, tree=written(store.trees, {"shared.ml": SHARED}))])
        trees = [snapshot.tree for snapshot in store.snapshots(ANN.id)]
        quote = NEEDLE.decode()
        for seq, smeared, path in ((1, False, "d/unspeakable.ml"), (2, False, "a.ml"), (4, True, "a.ml")):
            report = BuildReport(
                workspace=ANN.id, seq=seq, time=101.0, source="reported", status=Status.RED, smeared=smeared,
                diagnostics=(said(f"has type {quote}", path), said(f"File d/unspeakable.ml: {quote}")),
            )  # fmt: skip
            store.add_report(report)
        verdict = Verdict(
            tree=trees[2], toolchain="x", suite=Suite.CHECK, status=Status.RED, diagnostics=(said(quote, "a.ml"),)
        )
        self.verdicts.put([verdict, verdict.model_copy(update={"tree": trees[0], "diagnostics": ()})])
        self._other_places(trees[2])
        return self

    @property
    def verdicts(self) -> VerdictStore:
        return VerdictStore(self.path / "greenloop.db")

    def _other_places(self, tree: TreeId) -> None:
        texts = {
            f"warm/dune-{tree}/w/d/unspeakable.ml": NEEDLE,
            f"warm/dune-{tree}.lock": b"",
            "recorder/1/recorder.log": b"left out: d/unspeakable.ml",
            "recorder/1/cache/index": b"d/unspeakable.ml\0",
            "objects.git/staging.damaged-1.db": NEEDLE,
            "snapshots.damaged-1.db": NEEDLE,
            "prompts.jsonl": b'{"text": "Rename unspeakable.ml: ' + NEEDLE + b'"}\n',
        }
        for name, content in texts.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        # a build may take away the permission to remove it, even from its owner
        (self.path / f"warm/dune-{tree}/w/d").chmod(0o500)

    def purge(self, scope: Scope) -> Purged:
        return purge(self.path, self.store, self.verdicts, scope)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a filled home."""
    return Home(tmp_path / "home").fill()


PATH = Scope(workspace=ANN.id, paths=("unspeakable.ml",))
SINCE = Scope(workspace=ANN.id, since=101.0)
ALL = Scope(workspace=ANN.id, everything=True)


def test_the_search_finds_what_is_there(home: Home) -> None:
    found = " ".join(places(home.path, NEEDLE))

    for place in ("staging", "snapshots.db", "greenloop.db", "warm/", "packed"):
        assert place in found


@pytest.mark.parametrize("scope", [PATH, SINCE, ALL], ids=["path", "since", "all"])
def test_the_bytes_are_gone_from_every_file(home: Home, scope: Scope) -> None:
    before = held(home.store)[BOB.id]

    done = home.purge(scope)

    assert places(home.path, NEEDLE) == []
    assert places(home.path, NAME) == []
    assert done.bytes_after < done.bytes_before
    assert unfinished(home.path) is None
    assert held(home.store)[BOB.id] == before, "what another workspace shares stays"
    assert Upkeep(home.store.trees).fsck() == ()
    assert home.store.check() == ()


def test_a_path_goes_out_of_every_tree_and_all_else_stays(home: Home) -> None:
    before = list(home.store.snapshots(ANN.id))

    done = home.purge(PATH)

    after = held(home.store)[ANN.id]
    kept = [{path: c for path, c in files.items() if "unspeakable" not in path} for files in STATES]
    assert [files for _, files in after] == kept
    assert [(one.seq, one.time) for one, _ in after] == [(one.seq, one.time) for one in before]
    assert done.snapshots == 3
    assert [report.status for report in home.store.reports(ANN.id)] == [Status.RED] * 3


def test_what_follows_a_time_goes_by_number_even_where_the_clock_went_back(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    store = home.store
    store.add_workspace(ANN)
    for seq, when in enumerate((10.0, 20.0, 5.0, 30.0)):
        store.add([Snapshot(workspace=ANN.id, seq=seq, time=when, tree=written(store.trees, {"a": b"%d" % seq}))])

    home.purge(Scope(workspace=ANN.id, since=15.0))

    assert [one.seq for one in home.store.snapshots(ANN.id)] == [0]


def test_a_workspace_goes_as_a_whole(home: Home) -> None:
    home.purge(ALL)

    assert [one.id for one in home.store.workspaces()] == [BOB.id]


def test_what_is_unfinished_of_a_killed_export_goes_too(home: Home) -> None:
    with scratch(home.store) as folder:
        (folder / "piece").write_bytes(NEEDLE)
        left = folder.parent
        kept = left.with_name("killed")
        subprocess.run(["cp", "-r", str(left), str(kept)], check=True)

    home.purge(ALL)

    assert places(home.path, NEEDLE) == []


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope(workspace="w/eve", everything=True), "no such workspace"),
        (Scope(workspace=ANN.id, paths=("nowhere",)), "nothing that is recorded matches"),
        (Scope(workspace=ANN.id, since=1e9), "nothing that is recorded matches"),
    ],
)
def test_what_is_not_there_cannot_be_purged_and_nothing_changes(home: Home, scope: Scope, words: str) -> None:
    before = held(home.store)

    with pytest.raises(InputError, match=words):
        home.purge(scope)

    assert held(home.store) == before
    assert unfinished(home.path) is None


def test_what_is_in_use_is_told_and_nothing_was_done(home: Home) -> None:
    before = held(home.store)
    shelf = Shelf(home.path / "warm")

    with scratch(home.store), pytest.raises(Overloaded, match="an export, an import or a push"):
        home.purge(ALL)
    hold = shelf.hold(shelf.places()[0])
    assert hold is not None
    with hold, pytest.raises(Overloaded, match="1 warm builds are in use"):
        home.purge(ALL)
    with home.store.trees.durable.guard.upkeep(), pytest.raises(Overloaded, match="upkeep is running"):
        home.purge(ALL)

    assert held(home.store) == before
    assert unfinished(home.path) is None


def test_what_is_recorded_after_a_killed_purge_stays(home: Home) -> None:
    note = {"scope": SINCE.model_dump(), "last": 4}
    (home.path / "purge-unfinished.json").write_text(json.dumps(note))
    tree = written(home.store.trees, {"new.ml": b"new"})
    home.store.add([Snapshot(workspace=ANN.id, seq=5, time=200.0, tree=tree)])

    home.purge(SINCE)

    assert [one.seq for one in home.store.snapshots(ANN.id)] == [0, 5]


@pytest.mark.parametrize(
    ("unfinished_one", "asked", "fits"),
    [
        (SINCE, Scope(workspace=ANN.id, since=102.0), True),
        (Scope(workspace=ANN.id, since=0.0), ALL, True),
        (ALL, PATH, True),
        (SINCE, Scope(workspace=ANN.id, paths=("nowhere",)), False),
        (PATH, Scope(workspace=ANN.id, since=1e9), False),
        (ALL, Scope(workspace="w/eve", everything=True), False),
    ],
)
def test_what_an_unfinished_purge_took_is_no_mistake_to_ask_for(
    home: Home, unfinished_one: Scope, asked: Scope, fits: bool
) -> None:
    note = {"scope": unfinished_one.model_dump(), "last": 4}
    (home.path / "purge-unfinished.json").write_text(json.dumps(note))

    if fits:
        assert home.purge(asked).earlier == unfinished_one
    else:
        with pytest.raises(InputError):
            home.purge(asked)

    assert unfinished(home.path) is None
    assert places(home.path, NEEDLE) == []


def test_a_damaged_note_is_told_of(home: Home) -> None:
    (home.path / "purge-unfinished.json").write_text("{")

    with pytest.raises(RecordError, match="a purge was not finished"):
        unfinished(home.path)


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.snapshots.test_purge import Home
from greenloop.snapshots.purge import Scope
home = Home(Path(sys.argv[1]))
home.store
print("ready", flush=True)
home.purge(Scope.model_validate_json(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("scope", [PATH, SINCE, ALL], ids=["path", "since", "all"])
@pytest.mark.parametrize("share", [0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
def test_a_purge_that_was_killed_is_finished_by_the_next(tmp_path: Path, scope: Scope, share: float) -> None:
    root = str(Path(__file__).parents[2])

    def start(home: Home) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", PROGRAM, str(home.path), scope.model_dump_json(), root]
        process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    began = time.monotonic()
    with start(Home(tmp_path / "whole").fill(repack=False)) as process:
        began = time.monotonic()
        process.wait()
    whole = time.monotonic() - began
    home = Home(tmp_path / "home").fill(repack=False)
    with start(home) as process:
        time.sleep(whole * share)
        process.kill()

    note = unfinished(home.path)
    if note is not None or places(home.path, NEEDLE):
        home.purge(scope)

    assert places(home.path, NEEDLE) == []
    assert places(home.path, NAME) == []
    assert unfinished(home.path) is None
    assert held(home.store) == held(open_store(tmp_path / "whole"))
    assert Upkeep(home.store.trees).fsck() == ()
