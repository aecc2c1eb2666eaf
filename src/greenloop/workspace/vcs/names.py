"""Telling cheaply that no branch, tag or bookmark of a repository can have moved: by time stamps, without git or hg.

git replaces a file of refs by renaming another over it, so the folder that holds it changes its time; Mercurial's
names are in a handful of files. A new name, a moved one and a deleted one all show. Linux counts these times in
ticks of 4 ms or less, so a stamp that is younger than two seconds proves nothing.
"""

import os
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from greenloop.workspace.vcs.git import linked
from greenloop.workspace.vcs.git_commits import is_bare

_SETTLED_NS = 2_000_000_000
_MANY = 512
"""Refs and folders of them beyond which looking costs as much as asking git."""
_HG_FILES = (
    *("dirstate", "bookmarks", "localtags", "sharedpath"),
    *("store/00changelog.i", "store/bookmarks", "store/obsstore", "store/phaseroots"),
)

Stamp = tuple[tuple[str, int, int, int, int], ...]
"""Path, times of change of content and of status in ns, length, inode."""


class NameWatch:
    """Looks at the time stamps of the repository that ``root`` is, or lies in.

    ``now_ns`` is the clock of the file system's time stamps, in nanoseconds since 1970.
    """

    def __init__(self, root: Path, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._root = root
        self._now_ns = now_ns

    def stamp(self) -> Stamp | None:
        """Return what changes when a name moves; ``None`` where nothing cheap can tell."""
        try:
            paths = list(islice(_paths(self._root.resolve()), _MANY + 1))
            if not paths or len(paths) > _MANY:
                return None
            return tuple(stamp for path in paths for stamp in _look(path))
        except OSError:
            return None  # somebody deletes or makes names just now

    def settled(self, stamp: Stamp) -> bool:
        """Say whether a stamp is old enough to be changed by whatever changes from now on."""
        newest = max((max(times[1:3]) for times in stamp), default=0)
        return newest + _SETTLED_NS < self._now_ns()


def _look(path: str) -> Iterator[tuple[str, int, int, int, int]]:
    try:
        status = os.stat(path)  # noqa: PTH116 - asked for every ref, for every request
    except FileNotFoundError:
        return
    yield path, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _paths(root: Path) -> Iterator[str]:
    for place in (root, *root.parents):
        if is_bare(place) and place == root:
            yield from _git_paths(place)
        elif (place / ".git").is_dir():
            yield from _git_paths(place / ".git")
        elif (place / ".git").is_file():
            yield from _git_paths(linked(place / ".git", b"gitdir: "))
        elif (place / ".hg").is_dir():
            yield from _hg_paths(place / ".hg")
        else:
            continue
        return


def _git_paths(folder: Path) -> Iterator[str]:
    """The folder's own time tells of ``HEAD`` and ``packed-refs``; ``FETCH_HEAD`` is written in place."""
    common = linked(folder / "commondir", b"") if (folder / "commondir").is_file() else folder
    for place in dict.fromkeys((folder, common)):
        yield from (f"{place}", f"{place}/FETCH_HEAD", f"{place}/reftable/tables.list")
        # the files too: not everybody who writes a ref by hand renames it into its place
        yield from _below(f"{place}/refs")


def _below(folder: str) -> Iterator[str]:
    """Yield a folder and all that is in it, links not followed; of one that is not there, its own path."""
    yield folder
    if os.path.isdir(folder):  # noqa: PTH112
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _below(entry.path)
                else:
                    yield entry.path


def _hg_paths(folder: Path) -> Iterator[str]:
    places = [folder]
    if (folder / "sharedpath").is_file():
        places.append(linked(folder / "sharedpath", b""))
    for place in places:
        yield from (f"{place}/{name}" for name in _HG_FILES)
