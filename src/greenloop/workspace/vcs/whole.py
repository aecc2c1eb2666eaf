"""A pass over the whole folder: what differs from what is known is looked at, and nothing else."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

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
    known.looked = True


@dataclass(frozen=True, slots=True)
class _Rules:
    rules: git.Rules | None
    changed: bool


class _Pass:
    def __init__(self, known: Known, stack: ExitStack) -> None:
        self._known = known
        self._stack = stack
        self._parts: dict[bytes, Spool] = {}
        self._rules: dict[bytes, _Rules] = {}
        self._refused: dict[bytes, str] = {}
        self._lost: set[bytes] = set()
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
        for prefix, area in known.areas.items():
            if prefix and find_nested(known.root_bytes, prefix.rstrip(b"/")) != area.vcs:
                self._lost.add(prefix)
            else:
                self._learn_rules(area, anew=anew)
        # what came lately and is ignored now would be found neither in an index nor among what is new
        if any(rules.changed for rules in self._rules.values()) and any(area.behind for area in known.areas.values()):
            self._catch_up()
        known.examiner.begin(whole=True)
        known.closed = dict(self._refused)
        self._bury()
        for prefix, vcs in new.items():
            self._split_off(prefix, vcs)
        self._waiting = [b"", *sorted(prefix for prefix in known.areas if prefix)]
        while self._waiting:
            prefix = self._waiting.pop(0)
            if prefix in known.areas:
                self._read_area(known.areas[prefix])
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

    def _learn_rules(self, area: Area, *, anew: bool) -> None:
        """Note the rules of an area, and whether they, or what they hold for, may have changed."""
        try:
            rules, stamps = area.rules()
        except InputError as error:
            self._refuse(area, error)
            return
        changed = rules is not None and (anew or stamps != area.rules_seen)
        area.rules_seen = stamps if _settled(stamps) else None
        area.quick_seen = area.quick()
        self._rules[area.prefix] = _Rules(rules, changed)

    def _refuse(self, area: Area, error: InputError) -> None:
        """Leave out a nested repository that its version control does not read."""
        if not area.prefix:
            raise error
        self._refused[area.prefix] = f"a nested repository that cannot be read: {error.message}"

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
            if prefix in self._lost or prefix in self._refused or (prefix and self._forbids(prefix)):
                self._part_with(area)

    def _part_with(self, area: Area) -> None:
        self._dead.append(self._known.areas.pop(area.prefix))
        self._parts.pop(area.prefix, None)
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

    def _read_area(self, area: Area) -> None:
        known = self._known
        if area.prefix not in self._rules:
            self._learn_rules(area, anew=True)
        rules = self._rules.get(area.prefix)
        if rules is not None:
            nested_hg = [
                prefix for prefix, other in known.areas.items()
                if len(prefix) > len(area.prefix) and prefix.startswith(area.prefix) and other.vcs == "hg"
            ]  # fmt: skip
            # once the rules have changed, it has to be found again
            without = [] if rules.changed else nested_hg
            self._alive.update(without)
            try:
                with Answers(area, rules.rules, anew=rules.changed, without=without) as answers:
                    many = answers.count() + len(area.behind) > MANY
                    with PackedBlobs(known.store) if many else SingleBlobs(known.store) as blobs:
                        self._take(area, answers, blobs)
                    self._reported += answers.reported
            except InputError as error:
                self._refuse(area, error)
        if area.prefix in self._refused:
            known.closed[area.prefix] = self._refused[area.prefix]
            self._part_with(area)

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
            if path.endswith(b"/"):
                if self._belongs(area, area.outward(path[:-1])):
                    self._nested(area.outward(path))
                continue
            parent = path.rpartition(b"/")[0]
            if parent != last:
                last, belongs = parent, self._belongs(area, area.outward(path))
            if belongs:
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
        if known.owner(path) is area:
            return True
        inner = [prefix for prefix in known.areas if len(prefix) > len(area.prefix) and path.startswith(prefix)]
        # a repository that is known already, and that no rule of this one hides
        self._alive.update(sorted(inner, key=len)[:1])
        return False

    def _finish(self, ignore_files: frozenset[FileStamp] | None) -> None:
        known = self._known
        for prefix in set(known.areas) - self._alive:
            # no rule names it any more, or its folder is ignored now
            self._part_with(known.areas[prefix])
        parts: list[Part] = [
            (spool, known.areas[prefix].outward) for prefix, spool in self._parts.items() if prefix in known.areas
        ]
        known.tree = write_tree(known.store, known.tree, self._gone(), parts)
        known.unlisted = tuple(self._reported)
        known.ignore_files = ignore_files
        known.passed_over = set()
        young = known.examiner.young
        if self._must_advance or self._examined > FEW:
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
