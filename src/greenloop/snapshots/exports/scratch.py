"""Room for unfinished files of this home: swept when whoever made them is no more, so that a kill leaves no copies."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from greenloop.snapshots.store import SnapshotStore
from greenloop.storage import named_io_errors

_LOCK = "lock"


def place(store: SnapshotStore) -> Path:
    """Return where the unfinished files of a store's home lie."""
    return store.path.parent / "scratch"


@contextmanager
def scratch(store: SnapshotStore) -> Iterator[Path]:
    """Give an empty folder for as long as the block runs."""
    sweep(store)
    with named_io_errors(place(store)):
        place(store).mkdir(parents=True, exist_ok=True, mode=0o700)
        made = Path(tempfile.mkdtemp(dir=place(store)))
        handle = os.open(made / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder = made / "files"
        folder.mkdir()
        yield folder
    finally:
        os.close(handle)
        shutil.rmtree(made, ignore_errors=True)


def sweep(store: SnapshotStore) -> tuple[Path, ...]:
    """Delete what ended processes left; return the folders that are still in use."""
    used: list[Path] = []
    for folder in sorted(place(store).glob("*")):
        try:
            handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            shutil.rmtree(folder, ignore_errors=True)
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            used.append(folder)
        finally:
            os.close(handle)
    return tuple(used)
