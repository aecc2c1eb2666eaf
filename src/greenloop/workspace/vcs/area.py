"""One repository, or a plain folder, as a part of what is read: which of its files belong to a tree.

Nested repositories are areas of their own, each by the rules of its own version control.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from greenloop.workspace.vcs import git, mercurial
from greenloop.workspace.vcs.listing import GENERATED_FOLDERS, VCS_FOLDERS, Skipped, Started, shown
from greenloop.workspace.vcs.private_index import PrivateIndex

NO_RECORD = ".greenloop-no-record"
"""A file of this name at a repository's root forbids recording it."""

NOISE = frozenset(os.fsencode(name) for name in VCS_FOLDERS.union(GENERATED_FOLDERS))
_NOISE_START = re.compile(rb"((?:.*?/)??(?:%b))/" % b"|".join(map(re.escape, sorted(NOISE))), re.DOTALL)
_UNREADABLE = re.compile(rb"^warning: could not open directory '(.*)': (.*)$", re.MULTILINE)

FileStamp = tuple[str, int, int, int, int]


def file_stamp(path: str) -> FileStamp:
    """Return what changes when the file at ``path`` does; zeros when there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return (path, 0, 0, 0, 0)
    return (path, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


class Area:
    """The part of a tree below ``prefix`` (empty, or with a slash at its end), read from ``inside`` below ``top``."""

    def __init__(self, prefix: bytes, vcs: str, top: Path, inside: bytes, index: PrivateIndex, folder: str) -> None:
        self.prefix = prefix
        self.vcs = vcs
        self.top = top
        self.inside = inside
        self.index = index
        self.folder = folder
        self.behind: set[bytes] = set()
        """Paths (of the whole tree) of which the index may hold something else than the tree."""
        self.quick_seen: object = None
        """What ``quick`` said when the area was read last."""
        self.rules_seen: tuple[FileStamp, ...] | None = None
        self.kept_noise: frozenset[bytes] = frozenset()
        """Folders (of the whole tree) that tools generate and that hold tracked files."""
        self.repository = git.find_repository(top) if vcs == "git" else None
        """Where git keeps its own; ``None`` for others."""

    def outward(self, path: bytes) -> bytes:
        """Turn a path below ``top`` into one of the whole tree."""
        return self.prefix + path[len(self.inside) :]

    def inward(self, path: bytes) -> bytes:
        """Turn a path of the whole tree into one below ``top``."""
        return self.inside + path[len(self.prefix) :]

    def quick(self) -> object:
        """Return what changes when files are tracked or rules change without a file of the tree being touched.

        git writes its index for many reasons; how many entries it holds says whether files came or went.
        """
        if self.repository is None:
            return None
        try:
            with open(self.repository.folder / "index", "rb") as file:  # noqa: PTH123 - asked at every touch
                entries = file.read(12)[8:]
        except OSError:
            entries = b""
        return (entries, file_stamp(f"{self.repository.common}/info/exclude"))

    def noise_among(self, paths: Iterable[bytes]) -> frozenset[bytes]:
        """Return the folders (of the whole tree) that tools generate and that ``paths`` (below ``top``) lie in."""
        found = (_NOISE_START.match(path) for path in paths)
        return frozenset(self.outward(match[1]) for match in found if match is not None)

    def rules(self) -> tuple[git.Rules | None, tuple[FileStamp, ...]]:
        """Return the rules of git, with what changes when they, or what is tracked, do."""
        if self.repository is None:
            return None, ()
        rules = git.rules_of(self.top, self.repository.common)
        files = [str(rules.exclude), str(rules.usual), f"{self.repository.folder}/index"]
        above = self.inside
        while above:
            above = above.rstrip(b"/").rpartition(b"/")[0]
            files.append(f"{self.top}/{os.fsdecode(above)}/.gitignore")
        return rules, tuple(file_stamp(file) for file in files)


class Answers:
    """What has to be looked at in an area, asked of programs that run side by side. To be used as a block.

    With ``anew`` what is ignored though recorded, and tracked though ignored, is asked for too.
    """

    def __init__(self, area: Area, rules: git.Rules | None, *, anew: bool, without: Iterable[bytes] = ()) -> None:
        self._area = area
        self._rules = rules
        self._anew = anew
        self._without = tuple(area.inward(prefix) for prefix in without)
        self._stack = ExitStack()
        self._others: Started | None = None
        self._listed: frozenset[bytes] | None = None
        self._new: frozenset[bytes] = frozenset()
        self.dropped: frozenset[bytes] = frozenset()
        """Recorded before, and no part of the tree any more whatever is on disk; below ``top``."""
        self.reported: list[Skipped] = []
        """What cannot even be listed."""

    def _run(self, started: Started) -> Started:
        return self._stack.enter_context(started)

    def __enter__(self) -> "Answers":
        """Ask."""
        with ExitStack() as failing:
            failing.callback(self._stack.close)
            self._ask()
            failing.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End what still runs."""
        self._stack.close()

    def _ask(self) -> None:
        area = self._area
        self._modified = self._run(area.index.modified())
        if area.vcs == "hg":
            self._ask_mercurial()
            return
        self._others = self._run(area.index.others(self._rules, [area.inside], self._without))
        if self._anew and self._rules is not None:
            forced = self._run(git.tracked_though_ignored(area.top, area.inside))
            ignored = self._run(area.index.ignored(self._rules, [area.inside]))
            recorded, tracked = frozenset(ignored.records()), frozenset(forced.records())
            self.dropped = recorded - tracked
            self._new = tracked - recorded
            area.kept_noise = area.noise_among(tracked)
        for folder, reason in _UNREADABLE.findall(self._others.finish()):
            self.reported.append(
                Skipped(shown(area.outward(folder)), f"cannot be read: {reason.decode('utf-8', 'replace')}")
            )
            self.dropped |= frozenset(self._run(area.index.paths(folder)).records())

    def _ask_mercurial(self) -> None:
        area = self._area
        listing = mercurial.list_files(area.top, area.top / os.fsdecode(area.inside))
        self._listed = frozenset(area.inside + path for path in listing.paths)
        recorded = frozenset(self._run(area.index.paths()).records())
        self.dropped = recorded - self._listed
        self._new = self._listed - recorded
        area.kept_noise = area.noise_among(self._listed)
        self.reported += [Skipped(shown(area.prefix) + item.path, item.reason) for item in listing.skipped]

    def count(self) -> int:
        """Return how many paths there are to look at."""
        others = self._others.count() if self._others is not None else 0
        return self._modified.count() + others + len(self._new)

    def wanted(self, path: bytes) -> bool:
        """Say whether a path (below ``top``) that was changed lately is still one to record."""
        return path not in self.dropped and (self._listed is None or path in self._listed)

    def paths(self) -> Iterator[tuple[bytes, bool]]:
        """Yield the paths below ``top``, and whether the index holds them.

        Those of nested repositories are among them: they end in a slash, or lead into the repository.
        """
        for path in self._modified.records():
            if path not in self.dropped:
                yield path, True
        for path in self._others.records() if self._others is not None else ():
            yield path, False
        for path in sorted(self._new):
            yield path, False


def find_nested(root: bytes, folder: bytes) -> str:
    """Return which version control system has its root in ``folder`` below ``root``, or ``""``."""
    full = root + b"/" + folder
    try:
        mode = os.lstat(full + b"/.git").st_mode
        if stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and os.path.isfile(full + b"/.git/HEAD")):  # noqa: PTH113
            return "git"
    except OSError:
        pass
    return "hg" if os.path.isdir(full + b"/.hg") else ""  # noqa: PTH112
