"""What has to be looked at when a watcher says which paths changed; or why that is not enough."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from greenloop.workspace.store import Entry
from greenloop.workspace.vcs import git
from greenloop.workspace.vcs.area import NO_RECORD, NOISE, Area, find_nested
from greenloop.workspace.vcs.bulk import MANY
from greenloop.workspace.vcs.known import Known

_VCS = frozenset({b".git", b".hg"})
_RULES = frozenset({b".gitignore", b".hgignore", NO_RECORD.encode()})
_ASKED_AT_ONCE = 100
"""Paths about which git is asked in one go: it compares each file of its index with each of them."""


class NotEnough(Exception):  # noqa: N818 - no fault: the whole folder is looked at instead
    """What was told does not settle what belongs to the tree; says why."""


@dataclass(slots=True)
class Touched:
    """Path → what the tree holds there."""

    paths: dict[bytes, Entry | None] = field(default_factory=dict)


def plan(known: Known, told: Iterable[bytes]) -> Touched:
    """Return the paths to look at after those ``told`` changed. Raises ``NotEnough``."""
    if not known.looked:
        raise NotEnough("the first reading since the start")
    if any(area.quick() != area.quick_seen for area in known.areas.values()):
        raise NotEnough("what a repository tracks or ignores has changed")
    planner = _Planner(known)
    for path in told:
        planner.take(path.strip(b"/"))
    planner.settle()
    behind = sum(len(area.behind) for area in known.areas.values())
    if len(planner.touched.paths) + behind > MANY:
        raise NotEnough(f"more than {MANY} files changed since the indexes were written")
    return planner.touched


class _Planner:
    def __init__(self, known: Known) -> None:
        self.touched = Touched()
        self._known = known
        self._unknown: dict[bytes, bytes | None] = {b"": None}
        self._asked: dict[bytes, set[bytes]] = {}

    def take(self, path: bytes) -> None:
        """Take one path that was told."""
        known = self._known
        if not path:
            return
        parts = path.split(b"/")
        if not NOISE.isdisjoint(parts) and not self._kept_noise(parts):
            self._pass_repository(parts)
            return
        if parts[-1] in _RULES:
            raise NotEnough(f"{parts[-1].decode()} has changed")
        area = known.owner(path)
        if area is None:
            return
        if path + b"/" in known.areas or path + b"/" in known.closed:
            raise NotEnough("the folder of a repository has changed")
        first = self._first_unknown(parts[:-1])
        if first is not None:
            # of all that a build writes into a folder of its own, one question is asked
            self._ask(area, first)
            return
        self._look_at(path, area)

    def _kept_noise(self, parts: list[bytes]) -> bool:
        for area in self._known.areas.values():
            if area.kept_noise and any(b"/".join(parts[:end]) in area.kept_noise for end in range(1, len(parts))):
                return True
        return False

    def _pass_repository(self, parts: list[bytes]) -> None:
        """See whether a repository came or went; else nothing there matters."""
        known = self._known
        depth = next((depth for depth, part in enumerate(parts) if part in NOISE), 0)
        if parts[depth] not in _VCS:
            return
        folder = b"/".join(parts[:depth])
        prefix = folder + b"/" if folder else b""
        there = bool(find_nested(known.root_bytes, folder)) if folder else True
        if there != (prefix in known.areas or prefix in known.closed) and prefix not in known.passed_over:
            # asked about once: it may lie where nothing is recorded
            raise NestedChanged(prefix)

    def _first_unknown(self, folders: list[bytes]) -> bytes | None:
        """Return the topmost of the nested ``folders`` that the tree lacks."""
        parent = b"/".join(folders)
        if parent not in self._unknown:
            known, found = self._known, None
            # where the tree holds the last of them it holds all: one walk instead of one for each
            if parent not in known.folders or not known.holds_folder(parent):
                above = (b"/".join(folders[:depth]) for depth in range(1, len(folders) + 1))
                found = next(
                    folder for folder in above if folder not in known.folders or not known.holds_folder(folder)
                )
            self._unknown[parent] = found
        return self._unknown[parent]

    def _ask(self, area: Area, path: bytes) -> None:
        self._asked.setdefault(area.prefix, set()).add(path)
        known = self._known
        # a file, until now, where this needs a folder
        old = known.entry(path)
        if old is not None:
            self.touched.paths[path] = old
        if path in known.examiner.out or path in area.behind:
            self.touched.paths[path] = old

    def _look_at(self, path: bytes, area: Area) -> None:
        known = self._known
        old = known.entry(path)
        try:
            mode = os.lstat(known.root_bytes + b"/" + path).st_mode
        except OSError:
            mode = 0
        is_folder = stat.S_ISDIR(mode)
        if path in known.folders and known.holds_folder(path):
            self._take_below(path)
        if old is not None or path in known.examiner.out or path in area.behind:
            self.touched.paths[path] = old
        if mode and (is_folder or old is None):
            self._ask(area, path)
        elif not mode and any(prefix.startswith(path + b"/") for prefix in (*known.areas, *known.closed)):
            raise NotEnough("a repository is gone")

    def _take_below(self, folder: bytes) -> None:
        """Take the files that are known below a folder: they may be gone, or others."""
        for path in self._known.below(folder):
            self.touched.paths[path] = self._known.entry(path)
            if len(self.touched.paths) > MANY:
                raise NotEnough(f"a folder of more than {MANY} files has changed")

    def settle(self) -> None:
        """Find out which of the new paths belong to the tree."""
        known = self._known
        for prefix, paths in self._asked.items():
            area = known.areas[prefix]
            for folder in paths:
                # what was there when the index was written, and is not in the tree, is recorded once it is back
                start = folder + b"/"
                for path in area.behind:
                    if path.startswith(start):
                        self.touched.paths.setdefault(path, known.entry(path))
            there = [path for path in paths if os.path.lexists(known.root_bytes + b"/" + path)]
            for path in self._answers(area, there) if there else ():
                self.touched.paths.setdefault(path, known.entry(path))
                if len(self.touched.paths) > MANY:
                    raise NotEnough(f"more than {MANY} files changed")

    def _answers(self, area: Area, paths: list[bytes]) -> Iterator[bytes]:
        if area.vcs == "hg":
            raise NotEnough("files are new, and Mercurial tells which are ignored by looking at all")
        if len(paths) > _ASKED_AT_ONCE:
            raise NotEnough(f"more than {_ASKED_AT_ONCE} paths are new")
        inner = [area.inward(path) for path in paths]
        asked = git.recordable(area.top, inner) if area.vcs == "git" else area.index.others(None, inner)
        checked: set[bytes] = set()
        with asked:
            for path in asked.records():
                found = area.outward(path)
                if found.startswith(area.prefix) and self._known.owner(found) is area:
                    self._demand_no_repository(found, checked)
                    yield found

    def _demand_no_repository(self, path: bytes, checked: set[bytes]) -> None:
        folder = path.rpartition(b"/")[0]
        while folder and folder not in checked:
            checked.add(folder)
            if folder not in self._known.folders and find_nested(self._known.root_bytes, folder):
                raise NotEnough("a repository came")
            folder = folder.rpartition(b"/")[0]


class NestedChanged(NotEnough):
    """A repository may have come or gone at ``prefix``."""

    def __init__(self, prefix: bytes) -> None:
        super().__init__("a repository came or went")
        self.prefix = prefix
