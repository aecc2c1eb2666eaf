"""A pass over the whole folder: what differs from what is known is looked at, and nothing else."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack

from greenloop.records import GreenloopError, InputError
from greenloop.workspace.store import Entry
from greenloop.workspace.vcs import git
from greenloop.workspace.vcs.area import NO_RECORD, Answers, Area, FileStamp, file_stamp, find_nested
from greenloop.workspace.vcs.bulk import MANY, Blobs, PackedBlobs, SingleBlobs
from greenloop.workspace.vcs.known import Known
from greenloop.workspace.vcs.listing import Skipped
from greenloop.workspace.vcs.one_file import SETTLED_NS
from greenloop.workspace.vcs.spool import Part, Spool, write_tree

FEW = 256
"""Changed files up to which reading them once more is cheaper than writing the indexes anew."""
FORBIDDEN = f"a nested repository that forbids recording ({NO_RECORD})"
_INNER = frozenset({b".git", b".hg"})


def read_whole(known: Known) -> None:
    """Bring ``known.tree`` up to date. Raises ``InputError`` when the root's own repository cannot be read."""
    with ExitStack() as stack:
        _Pass(known, stack).run()


class _Pass:
    def __init__(self, known: Known, stack: ExitStack) -> None:
        self._known = known
        self._stack = stack
        self._parts: dict[bytes, Spool] = {}
        self._dead: list[Area] = []
        self._alive: set[bytes] = {b""}
        self._waiting: list[bytes] = []
        self._clean: set[bytes] = set()
        self._reported: list[Skipped] = []
        self._examined = 0
        self._must_advance = known.fresh
        self._looked_at: list[bytes] = []

    def run(self) -> None:
        known = self._known
        if not known.areas and known.add_area(b"", known.place.vcs) is None:
            raise InputError(f"{known.root}: its repository is gone", "is it a worktree of one that was moved?")
        new, ignore_files = self._look_around()
        anew = known.fresh or known.ignore_files != ignore_files
        # what is here again and ignored now would be found neither in an index nor among what is new
        rules = {prefix: self._rules(area, anew=anew) for prefix, area in known.areas.items()}
        if any(changed for _, changed in rules.values()) and any(area.behind for area in known.areas.values()):
            self._catch_up()
        known.examiner.begin(whole=True)
        known.closed = {}
        self._bury()
        for prefix, vcs in new.items():
            self._split_off(prefix, vcs)
        self._waiting = [b"", *sorted(prefix for prefix in known.areas if prefix)]
        done: set[bytes] = set()
        while self._waiting:
            prefix = self._waiting.pop(0)
            if prefix not in done and prefix in known.areas:
                done.add(prefix)
                area = known.areas[prefix]
                self._read_area(area, *(rules.get(prefix) or self._rules(area, anew=True)))
        self._finish(ignore_files)

    def _look_around(self) -> tuple[dict[bytes, str], frozenset[FileStamp] | None]:
        """Return the repositories that came into folders with known files, and the stamps of ignore files there.

        ``None`` for stamps that are too young to prove anything the next time.
        """
        known = self._known
        new: dict[bytes, str] = {}
        found = set()
        for folder in known.folders:
            full = known.root_bytes + b"/" + folder if folder else known.root_bytes
            if os.access(full + b"/.gitignore", os.F_OK):
                found.add(file_stamp(os.fsdecode(full + b"/.gitignore")))
            marked = os.access(full + b"/.git", os.F_OK) or os.access(full + b"/.hg", os.F_OK)
            if folder and marked and folder + b"/" not in known.areas:
                vcs = find_nested(known.root_bytes, folder)
                if vcs:
                    new[folder + b"/"] = vcs
        return new, frozenset(found) if _settled(found) else None

    @staticmethod
    def _rules(area: Area, *, anew: bool) -> tuple[git.Rules | None, bool]:
        """Return the rules of an area, and whether they, or what they hold for, may have changed."""
        rules, stamps = area.rules()
        changed = anew or stamps != area.rules_seen
        area.rules_seen = stamps if _settled(stamps) else None
        area.quick_seen = area.quick()
        return rules, changed and rules is not None

    def _catch_up(self) -> None:
        known = self._known
        for area in known.areas.values():
            spool = self._stack.enter_context(Spool())
            for path in area.behind:
                spool.add(area.inward(path), known.entry(path))
            self._advance(area, spool)
        known.save()

    def _bury(self) -> None:
        """Part with the areas whose repositories are gone, became others', or forbid recording now."""
        known = self._known
        for prefix, area in tuple(known.areas.items()):
            if prefix and (find_nested(known.root_bytes, prefix.rstrip(b"/")) != area.vcs or self._forbids(prefix)):
                self._dead.append(known.areas.pop(prefix))
                self._must_advance = True

    def _forbids(self, prefix: bytes) -> bool:
        return os.path.lexists(self._known.root_bytes + b"/" + prefix + NO_RECORD.encode())

    def _nested(self, prefix: bytes, vcs: str = "") -> None:
        """Take note of a repository below the root."""
        known = self._known
        self._alive.add(prefix)
        if prefix in known.areas or prefix in known.closed:
            return
        vcs = vcs or find_nested(known.root_bytes, prefix.rstrip(b"/"))
        if self._forbids(prefix):
            known.closed[prefix] = FORBIDDEN
        elif not vcs or known.add_area(prefix, vcs) is None:
            known.closed[prefix] = "a nested repository that cannot be found"
        else:
            self._waiting.append(prefix)
            self._must_advance = True

    def _split_off(self, prefix: bytes, vcs: str) -> None:
        """Take a repository that was made in a folder with known files out of the one around it."""
        around = self._known.owner(prefix)
        self._nested(prefix, vcs)
        if around is not None:
            self._must_advance = True
            for path in around.index.paths(around.inward(prefix)).records():
                self._spool(around).add(path, None)

    def _spool(self, area: Area) -> Spool:
        if area.prefix not in self._parts:
            self._parts[area.prefix] = self._stack.enter_context(Spool())
        return self._parts[area.prefix]

    def _read_area(self, area: Area, rules: git.Rules | None, changed: bool) -> None:
        known = self._known
        nested_hg = [
            prefix for prefix, other in known.areas.items()
            if prefix != area.prefix and prefix.startswith(area.prefix) and other.vcs == "hg" and not changed
        ]  # fmt: skip
        self._alive.update(nested_hg)
        try:
            with Answers(area, rules, anew=changed, without=nested_hg) as answers:
                many = answers.count() + len(area.behind) > MANY
                blobs = PackedBlobs(known.store) if many else SingleBlobs(known.store)
                with blobs:
                    self._take(area, answers, blobs)
                self._reported += answers.reported
        except InputError as error:
            if not area.prefix:
                raise
            self._dead.append(known.areas.pop(area.prefix))
            self._parts.pop(area.prefix, None)
            known.closed[area.prefix] = f"a nested repository that cannot be read: {error.message}"

    def _take(self, area: Area, answers: Answers, blobs: Blobs) -> None:
        spool = self._spool(area)
        behind = set(area.behind)
        for path in answers.dropped:
            spool.add(path, None)
            self._must_advance = True
        for path, recorded in self._own(area, answers):
            behind.discard(area.outward(path))
            self._look(area, path, blobs, recorded=recorded)
        for path in behind:
            inner = area.inward(path)
            if self._known.owner(path) is area and answers.wanted(inner):
                self._look(area, inner, blobs, recorded=True)
            else:
                spool.add(inner, None)
                self._must_advance = True

    def _look(self, area: Area, inner: bytes, blobs: Blobs, *, recorded: bool) -> None:
        known = self._known
        path = area.outward(inner)
        old: Entry | None = known.entry(path)
        entry = known.examiner.look(path, old, blobs)
        if entry is None and old is None and not recorded:
            return
        self._examined += 1
        if self._examined <= FEW:
            self._looked_at.append(path)
        self._spool(area).add(inner, entry)
        if entry is not None:
            known.add_folders(path)

    def _own(self, area: Area, answers: Answers) -> Iterator[tuple[bytes, bool]]:
        """Yield the paths that are the area's own, and whether the index holds them; note nested repositories."""
        last, belongs = b"\0", False
        for path, recorded in answers.paths():
            parent = path.rpartition(b"/")[0]
            if parent != last:
                last, belongs = parent, self._belongs(area, area.outward(path))
            if path.endswith(b"/"):
                if belongs:
                    self._nested(area.outward(path))
            elif belongs:
                yield path, recorded

    def _belongs(self, area: Area, path: bytes) -> bool:
        """Say whether the folder of ``path`` is the area's own."""
        known = self._known
        parts = path.split(b"/")[:-1]
        for depth, part in enumerate(parts):
            if part.lower() in _INNER:
                if depth:
                    self._nested(b"/".join(parts[:depth]) + b"/")
                return False
            folder = b"/".join(parts[: depth + 1])
            if folder not in known.folders and folder not in self._clean:
                if folder + b"/" != area.prefix and (vcs := find_nested(known.root_bytes, folder)):
                    self._nested(folder + b"/", vcs)
                else:
                    self._clean.add(folder)
        return known.owner(path) is area

    def _finish(self, ignore_files: frozenset[FileStamp] | None) -> None:
        known = self._known
        for prefix in set(known.areas) - self._alive:
            # no rule names it any more, or its folder is ignored now
            self._dead.append(known.areas.pop(prefix))
        parts: list[Part] = [
            (spool, known.areas[prefix].outward) for prefix, spool in self._parts.items() if prefix in known.areas
        ]
        known.tree = write_tree(known.store, known.tree, self._gone(), parts)
        known.unlisted = tuple(self._reported)
        known.ignore_files = ignore_files
        known.passed_over = set()
        young = known.examiner.young
        if self._must_advance or self._dead or self._examined > FEW:
            try:
                for area in known.areas.values():
                    if area.prefix in self._parts or not area.index.number:
                        self._advance(area, self._spool(area))
                self._note(young)
                known.fresh = False
                known.save()
            except GreenloopError:
                # the indexes in memory may stand for no tree: those on the disk do
                known.resume()
                raise
        else:
            for area in known.areas.values():
                area.behind = set()
            self._note({*young, *self._looked_at})

    def _gone(self) -> Iterator[bytes]:
        for area in self._dead:
            yield from map(area.outward, area.index.paths().records())
            yield from area.behind

    def _advance(self, area: Area, spool: Spool) -> None:
        with spool.records() as records:
            area.index.advance(records)
        area.behind = set()

    def _note(self, paths: set[bytes]) -> None:
        for path in paths:
            area = self._known.owner(path)
            if area is not None:
                area.behind.add(path)


def _settled(stamps: tuple[FileStamp, ...] | set[FileStamp]) -> bool:
    """Say whether stamps are old enough to be changed by whatever changes from now on."""
    newest = max((max(stamp[1:3]) for stamp in stamps), default=0)
    return newest + SETTLED_NS < time.time_ns()
