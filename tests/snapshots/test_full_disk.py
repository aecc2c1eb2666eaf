"""A full disk: one clear error, and what was there before is there afterwards."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from greenloop.records import EnvironmentFault
from greenloop.snapshots.heartbeat import Heartbeat
from greenloop.snapshots.recorder import Recorder, Surroundings, workspace_for
from greenloop.snapshots.store import SnapshotStore
from greenloop.snapshots.watching import Changes, ScriptedWatcher
from greenloop.workspace.vcs import WorkingCopy

PROGRAM = """
import json, random, sys
from pathlib import Path
from greenloop.records import EnvironmentFault, Snapshot, Workspace
from greenloop.snapshots.exports.jsonl import export_history
from greenloop.snapshots.ocaml_top import import_sessions
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import TreeStore

full, step = Path(sys.argv[1]), sys.argv[2]
store = SnapshotStore(full / "home/greenloop.db", TreeStore(full / "home/objects.git"))
store.add_workspace(Workspace(id="w", author="a", title="t", source="recorder"))
store.add([Snapshot(workspace="w", seq=0, time=0.0, tree=store.trees.empty)])
export_history(store, full / "x.jsonl.xz")
before = (full / "x.jsonl.xz").read_bytes()

def fill(left):
    with (full / "ballast").open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"x" * 4096)
        except OSError:
            pass
        ballast.truncate(max(0, ballast.tell() - left))

try:
    if step == "blobs":
        fill(200_000)
        noise = random.Random(1)
        for _ in range(100):
            store.trees.write_blob(noise.randbytes(10_000))
    elif step == "snapshots":
        fill(0)
        store.add(Snapshot(workspace="w", seq=n, time=0.0, tree=store.trees.empty) for n in range(1, 50_000))
    elif step == "export":
        fill(0)
        export_history(store, full / "y.jsonl.xz")
except EnvironmentFault as error:
    print(error)
(full / "ballast").unlink()
again = SnapshotStore(full / "home/greenloop.db", TreeStore(full / "home/objects.git"))
print([shot.seq for shot in again.snapshots("w")], (full / "x.jsonl.xz").read_bytes() == before)
print([path.name for path in full.iterdir() if "y.jsonl" in path.name])
"""


@pytest.mark.parametrize("step", ["blobs", "snapshots", "export"])
def test_a_full_disk_is_named_and_nothing_is_lost(tmp_path: Path, step: str) -> None:
    mounted = 'mount -t tmpfs -o size=3m tmpfs "$1"; shift; exec "$@"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", mounted, "sh", str(tmp_path), sys.executable,
         "-c", PROGRAM, str(tmp_path), step],
        capture_output=True, check=False, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    error, *after = done.stdout.splitlines()
    assert "disk" in error
    assert "full" in error
    assert after == ["[0] True", "[]"]


def test_a_heartbeat_that_the_disk_refuses_ends_no_recording(store: SnapshotStore, tmp_path: Path) -> None:
    said: list[str] = []
    root = tmp_path / "work"
    root.mkdir()
    refused = iter([False, True, True, False, True])

    def beat(_beat: Heartbeat) -> None:
        if next(refused):
            raise EnvironmentFault("heartbeat.json: No space left on device")

    def save(text: str) -> Callable[[], Changes]:
        def act() -> Changes:
            (root / "a.ml").write_text(text)
            return Changes(frozenset([b"a.ml"]))

        return act

    Recorder(
        store, workspace_for("ann", "ledger"), WorkingCopy(root, store.trees, tmp_path / "cache"),
        ScriptedWatcher([save("1"), save("2"), save("3")]), around=Surroundings(beat=beat, report=said.append),
    ).run(Event())  # fmt: skip

    assert len(list(store.snapshots("recorder/ann/ledger"))) == 4
    # told once for as long as it lasts
    assert said == ["no sign of life: heartbeat.json: No space left on device"] * 2
