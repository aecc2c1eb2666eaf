"""Which fragment needs which, as far as names and files tell. What is missing here, builds find out.

``Edges.hard`` are those without which a tree could not even be made, or which keep a move together; ``soft`` are
suspicions: a knot of them that grows too large is cut, and the builds decide.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import pairwise

from greenloop.mining.split.facts import Facts, facts_of, spelled
from greenloop.mining.split.fragments import FileChange, Parts
from greenloop.workspace.edits.differ import hunks

_LONG_ITEM = 80
"""Lines beyond which an item is no single thought: its hunks may go apart."""
_ALIKE = 0.6
"""The part of lines that two files must share to be one that moved (git takes a half)."""
_MOST_LINES = 20_000
"""Longer files are not compared line by line to find moves."""

Needs = tuple[int, int]
"""(a, b): fragment a needs fragment b."""


@dataclass(frozen=True)
class Move:
    """A file that went from one path to another, ``lines`` of it changed on the way."""

    old: str
    new: str
    lines: int


@dataclass(frozen=True)
class Edges:
    """Who needs whom: (a, b) says that a needs b."""

    hard: frozenset[Needs]
    soft: frozenset[Needs]
    moves: tuple[Move, ...] = ()


@dataclass
class _Book:
    """The fragments' facts, and where to find them."""

    facts: tuple[Facts, ...]
    bringing: dict[str, list[Facts]] = field(default_factory=lambda: defaultdict(list))
    losing: dict[str, list[Facts]] = field(default_factory=lambda: defaultdict(list))
    using: dict[str, list[Facts]] = field(default_factory=lambda: defaultdict(list))
    of_stem: dict[str, list[Facts]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for one in self.facts:
            for table, names in ((self.bringing, one.brings), (self.losing, one.loses), (self.using, one.uses)):
                for name in names:
                    table[name].append(one)
            if one.code:
                self.of_stem[one.stem].append(one)


def edges(parts: Parts) -> Edges:
    """Return who needs whom among the fragments of a change."""
    book = _Book(tuple(facts_of(one) for one in parts.fragments))
    found = tuple(moves(parts.files))
    hard = frozenset(_clean([*_folders(parts), *_moved(parts, found)]))
    rules: tuple[Callable[[_Book], Iterator[Needs]], ...] = (
        _same_item, _moved_items, _names_that_come, _names_that_go, _interfaces, _private, _openings, _new_modules,
        _stanzas,
    )  # fmt: skip
    soft = frozenset(_clean(pair for rule in rules for pair in rule(book))) - hard
    return Edges(hard, soft, found)


def moves(files: Sequence[FileChange]) -> Iterator[Move]:
    """Yield the files that went and came with the same content, or nearly so."""
    gone = [file for file in files if file.change.new is None]
    for file in files:
        if file.change.old is not None or file.change.new is None:
            continue
        best = max(gone, key=lambda other: _likeness(other, file), default=None)
        if best is not None and _likeness(best, file) >= _ALIKE:
            gone.remove(best)
            texts = [[line.decode("latin-1") for line in side] for side in (best.old, file.new)]
            lines = sum(max(one.end - one.start, one.new_end - one.new_start) for one in hunks(*texts))
            yield Move(best.path, file.path, lines)


def _likeness(old: FileChange, new: FileChange) -> float:
    assert old.change.old is not None, "a file that goes was there"
    assert new.change.new is not None, "a file that comes is there"
    if old.change.old.blob == new.change.new.blob:
        return 1.0
    longest, shortest = max(len(old.old), len(new.new)), min(len(old.old), len(new.new))
    # what little files share is chance
    if old.whole or new.whole or shortest < 4 or longest > _MOST_LINES or shortest < _ALIKE * longest:
        return 0.0
    matcher = SequenceMatcher(None, old.old, new.new, autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= _ALIKE else 0.0


def _clean(pairs: Iterable[Needs]) -> Iterator[Needs]:
    return ((a, b) for a, b in pairs if a != b)


def _both(a: Facts, b: Facts) -> Iterator[Needs]:
    yield a.fragment.number, b.fragment.number
    yield b.fragment.number, a.fragment.number


def _folders(parts: Parts) -> Iterator[Needs]:
    """A file that comes where a folder was, or below what was a file, waits until that is gone."""
    gone = {file.path for file in parts.files if file.change.new is None}
    for file in parts.files:
        if file.change.old is not None:
            continue
        above = {file.path[:at] for at, sign in enumerate(file.path) if sign == "/"}
        blocking = [path for path in gone if path in above or path.startswith(f"{file.path}/")]
        for path in blocking:
            for a in parts.of_file(file.path):
                for b in parts.of_file(path):
                    yield a.number, b.number


def _moved(parts: Parts, found: Iterable[Move]) -> Iterator[Needs]:
    for move in found:
        both = [one.number for one in (*parts.of_file(move.old), *parts.of_file(move.new))]
        for a, b in pairwise(both):
            yield a, b
            yield b, a


def _same_item(book: _Book) -> Iterator[Needs]:
    """Hunks of one definition are one thought."""
    first: dict[tuple[str, str, int], Facts] = {}
    for one in book.facts:
        if one.inert:
            continue
        for side, held in (("old", one.old_items), ("new", one.new_items)):
            for item in held:
                if item.last_line - item.first_line < _LONG_ITEM:
                    other = first.setdefault((one.fragment.path, side, item.first_line), one)
                    yield from _both(one, other)


def _moved_items(book: _Book) -> Iterator[Needs]:
    """An item that goes at one place of its file and comes at another is one."""
    for name, losers in book.losing.items():
        for loser in losers:
            for bringer in book.bringing.get(name, ()):
                if bringer.fragment.path == loser.fragment.path:
                    yield from _both(loser, bringer)


def _names_that_come(book: _Book) -> Iterator[Needs]:
    """Who uses a new name needs what brings it: in its file, or through the module's name in another."""
    for name, bringers in book.bringing.items():
        for user in book.using.get(name, ()):
            own = name in user.brings
            for one in bringers:
                if one.stem == user.stem:
                    # an interface leans on its implementation, not the other way
                    sees = one.interface == user.interface and not own
                else:
                    # who brings a name of its own means another's only where it says so
                    sees = one.module in (user.uses if own else spelled(user.fragment.file)[1])
                if sees:
                    yield user.fragment.number, one.fragment.number


def _names_that_go(book: _Book) -> Iterator[Needs]:
    """What takes a name away needs those who stop using it."""
    for one in book.facts:
        for name in one.used:
            for loser in book.losing.get(name, ()):
                if loser.stem == one.stem:
                    sees = loser.interface == one.interface
                else:
                    sees = loser.module in spelled(one.fragment.file)[0]
                if sees and name not in one.uses:
                    yield loser.fragment.number, one.fragment.number


def _interfaces(book: _Book) -> Iterator[Needs]:
    """A name's definition and its signature come, change and go together."""
    for held in book.of_stem.values():
        shown = [one for one in held if one.interface]
        made = [one for one in held if not one.interface]
        for a in shown:
            for b in made:
                common = (a.brings & b.brings) | (a.loses & b.loses) | (a.touches & b.touches)
                # most of a body may change under the same signature, but a type is the same on both sides
                typed = {name for item in a.new_items if item.kind != "value" for name in item.names}
                if common & (a.brings | a.loses | a.touches | typed):
                    yield from _both(a, b)


def _private(book: _Book) -> Iterator[Needs]:
    """What an interface does not show is unused, which is an error to many, until its first user is there."""
    for one in book.facts:
        if not one.code or one.interface or not any(other.interface for other in book.of_stem[one.stem]):
            continue
        shown = frozenset[str]().union(*(spelled(other.fragment.file)[1] for other in book.of_stem[one.stem]
                                         if other.interface))  # fmt: skip
        names = {name for item in one.new_items for name in item.names} & one.brings
        for name in names - shown:
            users = [other for other in book.using.get(name, ()) if other.stem == one.stem and other is not one]
            if users:
                yield from _both(one, users[0])


def _openings(book: _Book) -> Iterator[Needs]:
    """What follows a new ``open`` or ``include`` in its file leans on it; what comes before its end stays."""
    for held in book.of_stem.values():
        for one in held:
            opening = any(item.name is None and item.kind in {"open", "include"} for item in one.new_items)
            if not opening or not one.fragment.added:
                continue
            for other in held:
                behind = other.fragment.hunk.new_start > one.fragment.hunk.new_start
                if other.fragment.path == one.fragment.path and behind and other.fragment.added:
                    yield other.fragment.number, one.fragment.number


def _new_modules(book: _Book) -> Iterator[Needs]:
    """Who names a module that is new needs its first part, and what takes a module away needs who named it."""
    coming = {held[0].module: held for held in book.of_stem.values() if held[0].fragment.file.change.old is None}
    going = {held[0].module: held for held in book.of_stem.values() if held[0].fragment.file.change.new is None}
    for one in book.facts:
        for name in one.uses & coming.keys():
            if one.stem != coming[name][0].stem:
                yield one.fragment.number, coming[name][0].fragment.number
        for name in (one.used & going.keys()) - one.uses:
            for gone in going[name]:
                if gone.stem != one.stem:
                    yield gone.fragment.number, one.fragment.number


def _stanzas(book: _Book) -> Iterator[Needs]:
    """A stanza needs the modules that it names, and modules need the stanza and the libraries that they use."""
    for dune in (one for one in book.facts if one.dune):
        number = dune.fragment.number
        fresh = dune.fragment.file.change.old is None
        titled = {word[:1].upper() + word[1:] for word in dune.uses}
        dropped = {word[:1].upper() + word[1:] for word in dune.used}
        for other in book.facts:
            if other is dune:
                continue
            inside = other.folder == dune.folder
            if other.dune and not inside and other.fragment.path.endswith("dune") and other.uses & dune.uses:
                # whoever names a library waits for the stanza that is it
                if _declares(other, dune.uses) and not _declares(dune, other.uses):
                    yield number, other.fragment.number
            elif other.code and inside:
                if other.fragment.file.change.old is None and (fresh or other.module in titled):
                    yield other.fragment.number, number
                    if other.module in titled:
                        yield number, other.fragment.number
                if other.fragment.file.change.new is None and other.module in dropped:
                    yield from _both(dune, other)
                if other.uses & titled and other.module not in titled:
                    yield other.fragment.number, number
                if (other.used - other.uses) & dropped:
                    yield number, other.fragment.number


def _declares(dune: Facts, words: frozenset[str]) -> bool:
    text = dune.fragment.added.decode("utf-8", "replace")
    return any(f"name {word})" in text for word in words)
