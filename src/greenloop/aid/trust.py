"""Which workspaces a person trusts to be built and run. Kept in the home, one file, until it is taken back.

Trust is given to a folder, not to a path: a folder that takes the place of a trusted one (moved away and cloned anew,
unpacked over, mounted) is another folder. It is known by the inode numbers and the times of birth of itself and of its
repository's folder. A time of birth cannot be set, and an inode number that is used again has a later one. Where a file
system does not tell it, the inode numbers alone decide.
"""

import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from greenloop.records import RecordError
from greenloop.storage import named_io_errors, write_atomically

_REPOSITORIES = (".git", ".hg")


class Trust:
    """The decisions in the file ``path``, which need not exist. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._sure: dict[Path, tuple[object, ...]] = {}

    def trusts(self, root: Path) -> bool:
        """Say whether the folder ``root`` may be built. Raises ``RecordError`` when the file cannot be read."""
        if not self._path.exists() or not root.is_dir():
            return False
        seen = self._glance(root)
        if self._sure.get(root) == seen:
            return True
        kept = self._read().get(str(root))
        trusted = kept is not None and kept == identity(root)
        if trusted:
            self._sure[root] = seen
        return trusted

    def decide(self, root: Path, *, trusted: bool) -> None:
        """Keep the person's decision. Raises ``EnvironmentFault`` when the disk refuses."""
        with self._lock:
            known = dict(self._read())
            if trusted:
                known[str(root)] = identity(root)
            else:
                known.pop(str(root), None)
            write_atomically(self._path, json.dumps(known, indent=1, sort_keys=True).encode() + b"\n")

    def roots(self) -> tuple[str, ...]:
        """Return the paths that were trusted, sorted; the folders there may be others by now."""
        return tuple(sorted(self._read()))

    def _glance(self, root: Path) -> tuple[object, ...]:
        """What makes another look needless: the same decisions, and folders in which nothing came or went meanwhile.

        A folder that was made anew may have the inode number of the one before, but never its time of change.
        """
        places = (self._path, root, *(place for name in _REPOSITORIES if (place := root / name).exists()))
        return tuple((stamp.st_ino, stamp.st_ctime_ns) for stamp in (place.stat() for place in places))

    def _read(self) -> Mapping[str, str]:
        if not self._path.exists():
            return {}
        with named_io_errors(self._path):
            text = self._path.read_text()
        try:
            known = json.loads(text)
        except ValueError as error:
            raise RecordError(
                f"{self._path}: not JSON: {error}", "delete it, and trust your workspaces again"
            ) from error
        if not isinstance(known, dict) or not all(isinstance(one, str) for one in known.values()):
            raise RecordError(f"{self._path}: no list of workspaces", "delete it, and trust your workspaces again")
        return known


def identity(root: Path) -> str:
    """Return what tells the folder ``root`` from another one at the same path."""
    places = [root, *(root / name for name in _REPOSITORIES if (root / name).exists())]
    # Python has no time of birth on Linux; a format that a `stat` does not know comes back as it is
    told = subprocess.run(["stat", "--format=%i %w", *map(str, places)], capture_output=True, text=True, check=False)
    if told.returncode == 0:
        return "; ".join(told.stdout.splitlines())
    with named_io_errors(root):
        return "; ".join(str(place.stat().st_ino) for place in places)
