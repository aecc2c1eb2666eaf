"""A warm interpreter under ``failpoint.c``: each run of a scenario is a fork of it. Spoken to in lines of JSON.

In: ``{"scenario", "folder", "target", "action", "log", "template"}``, ``{"check": folder}``, or
``{"survey", "folder", "template", "place", "bit"}``. Out: one line for each.
"""

import ctypes
import json
import mmap
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from greenloop.records import BuildReport, EnvironmentFault, GreenloopError, Snapshot, Status, Workspace
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import Entry, Mode, TreeStore
from greenloop.workspace.upkeep import Upkeep

WORKSPACE = Workspace(id="recorder/ann/ledger", author="ann", title="ledger", source="recorder")
SNAPSHOTS = 12
DAY = 86400.0


class Control(ctypes.Structure):
    """What ``failpoint.c`` maps."""

    _fields_ = (
        ("count", ctypes.c_int), ("target", ctypes.c_int), ("action", ctypes.c_int), ("log", ctypes.c_int),
        ("folder", ctypes.c_char * 1000), ("log_path", ctypes.c_char * 1000),
    )  # fmt: skip


def control() -> Control:
    with Path(os.environ["FAILPOINT"]).open("r+b") as file:
        return Control.from_buffer(mmap.mmap(file.fileno(), ctypes.sizeof(Control)))


def opened(folder: Path) -> SnapshotStore:
    return SnapshotStore(folder / "snapshots.db", TreeStore(folder / "objects.git"))


def files(seq: int) -> dict[str, bytes]:
    """What the workspace holds at a snapshot: two files that stay, one that changes."""
    return {"a/one": b"1" * 300, "a/b/two": b"2" * 500, "a/b/c/three": f"{seq}\n".encode() * 20}


def take(store: SnapshotStore, seq: int) -> None:
    trees = store.trees
    with trees.staged():
        tree = trees.write_tree({path: Entry(Mode.FILE, trees.write_blob(text)) for path, text in files(seq).items()})
        store.add([Snapshot(workspace=WORKSPACE.id, seq=seq, time=seq * DAY / 4, tree=tree)])


def drop_oldest(store: SnapshotStore) -> None:
    """Remove the oldest segment, unless that is done."""
    oldest = store.segments(WORKSPACE.id)[0]
    if oldest.first_seq == 0:
        store.drop_segment(oldest)


Told = Callable[[str], None]


def attempt(step: Callable[[], object], told: Told) -> None:
    """Do a step; when the disk refuses, say so, and once more: the next write must work."""
    try:
        step()
    except EnvironmentFault as fault:
        told(f"fault {fault}")
        step()


def record(folder: Path, told: Told) -> None:
    """Twelve snapshots of three days, a report each, flushed now and then; the oldest day goes; the index is remade."""
    stores: list[SnapshotStore] = []
    attempt(lambda: stores.append(opened(folder)), told)
    (store,) = stores
    attempt(lambda: store.add_workspace(WORKSPACE), told)
    for seq in range(SNAPSHOTS):
        attempt(lambda seq=seq: take(store, seq), told)  # type: ignore[misc]
        told(f"snapshot {seq}")
        if seq % 4 == 3:
            said = BuildReport(workspace=WORKSPACE.id, seq=seq, time=0.0, source="shadow", status=Status.GREEN)
            attempt(lambda said=said: store.add_report(said), told)  # type: ignore[misc]
            told(f"report {seq}")
            attempt(store.trees.flush, told)
    told("drop")
    attempt(lambda: drop_oldest(store), told)
    told("dropped")
    store.close()
    for name in ("snapshots.db", "snapshots.db-wal", "snapshots.db-shm"):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
    attempt(lambda: stores.append(opened(folder)), told)
    told("remade")


def upkeep(folder: Path, told: Told) -> None:
    """What a recorded home goes through: repacked quickly, a snapshot, repacked thoroughly, thinned out, pruned."""
    stores: list[SnapshotStore] = []
    attempt(lambda: stores.append(opened(folder)), told)
    (store,) = stores
    care = Upkeep(store.trees)
    attempt(care.repack, told)
    attempt(lambda: take(store, SNAPSHOTS), told)
    told(f"snapshot {SNAPSHOTS}")
    attempt(lambda: care.repack(thorough=True), told)
    told("drop")
    attempt(lambda: store.rewrite(WORKSPACE.id, lambda shot: None if shot.seq == 5 else shot), told)
    told("dropped")
    attempt(lambda: care.prune(0), told)
    told("pruned")


SCENARIOS = {"record": record, "upkeep": upkeep}
DROPPED = {"record": {0, 1, 2, 3}, "upkeep": {5}}


def verify(folder: Path) -> dict[str, object]:
    """Open a home after whatever happened to it, and say what is there. Then it must take one more snapshot."""
    store = opened(folder)
    found = sound(store)
    if store.workspaces():
        take(store, 1000)
        assert store.trees.flush()
        assert [shot.seq for shot in store.snapshots(WORKSPACE.id)][-1] == 1000
    return {"seqs": found, "notes": store.notes, "wrong": [*Upkeep(store.trees).fsck(), *store.check()]}


def sound(store: SnapshotStore) -> list[int]:
    """Read all, compare it with what was written, and return the numbers of the snapshots."""
    seqs = []
    for shot in store.snapshots(WORKSPACE.id):
        seqs.append(shot.seq)
        held = {path: store.trees.read_blob(entry.blob) for path, entry in store.trees.files(shot.tree).items()}
        assert held == files(shot.seq), shot
    return seqs


def survey(folder: Path) -> dict[str, object]:
    """Return all that a home serves, and all that it says is wrong with it."""
    held: dict[str, object] = {}
    said: list[str] = []
    stores: list[SnapshotStore] = []
    try:
        store = opened(folder)
        stores.append(store)
        for shot in store.snapshots(WORKSPACE.id):
            entries = store.trees.files(shot.tree).items()
            text = {path: store.trees.read_blob(entry.blob).decode("latin-1") for path, entry in entries}
            held[str(shot.seq)] = [shot.to_json(), text]
        held["reports"] = [report.to_json() for report in store.reports(WORKSPACE.id)]
    except GreenloopError as error:
        said.append(str(error))
    for store in stores:
        said += store.notes
        for look in (Upkeep(store.trees).fsck, store.check):
            try:
                said += look()
            except GreenloopError as error:
                said.append(str(error))
    return {"held": held, "said": said}


def flipped(home: Path, scratch: Path, place: str, bit: int) -> None:
    """Copy a home and flip one bit of one of its files."""
    shutil.copytree(home, scratch)
    path = scratch / place
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.chmod(0o644)
    path.write_bytes(content)


def forked(work: Callable[[Told], None]) -> tuple[list[str], int]:
    """Run ``work`` in a fork with a group of its own; return what it told before it ended, and how it ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setsid()
        # whoever hangs fails the test, not the whole suite
        signal.alarm(60)
        status = 0
        try:
            work(lambda words: (os.write(writing, f"{words}\n".encode()), None)[1])
        except BaseException:  # noqa: BLE001 - told to the test, which fails
            os.write(writing, f"error {traceback.format_exc()!r}\n".encode())
            status = 1
        os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read().splitlines()
    return told, os.waitpid(child, 0)[1]


def handle(request: dict[str, str], points: Control) -> dict[str, object]:
    points.count, points.folder = 0, b""
    if "check" in request:
        told, status = forked(lambda tell: tell(json.dumps(verify(Path(request["check"])))))
        return {"status": status, "told": told}
    folder = Path(request["folder"])
    if "bit" in request:
        flipped(Path(request["template"]), folder, request["place"], int(request["bit"]))
    if "survey" in request:
        told, status = forked(lambda tell: tell(json.dumps(survey(folder))))
        if "bit" in request:
            shutil.rmtree(folder)
        return {"status": status, "told": told}
    if "template" in request:
        shutil.copytree(request["template"], folder)
    points.target, points.action = int(request["target"]), int(request["action"])
    points.log, points.log_path = int("log" in request), request.get("log", "").encode()
    points.folder = str(folder).encode()
    told, status = forked(lambda tell: SCENARIOS[request["scenario"]](folder, tell))
    count, points.folder = points.count, b""
    return {"status": status, "told": told, "count": count}


def main() -> None:
    points = control()
    for line in sys.stdin:
        print(json.dumps(handle(json.loads(line), points)), flush=True)


if __name__ == "__main__":
    main()
