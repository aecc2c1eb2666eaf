"""What a fragment brings, takes away and leans on, by names.

Top-level names are tree-sitter's, with their kinds. Of what items hold inside, keywords that define (``let``, ``type``
…), constructors, fields and labels count, as long as the file did not spell them before: then they come with this
fragment. Comments and strings name nothing.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from greenloop.mining.split.fragments import FileChange, Fragment
from greenloop.workspace.syntax import Item, items, language_of
from greenloop.workspace.tokens import token_lines

_WORD = re.compile(rb"[A-Za-z_][\w'-]*")
_IDENTIFIER = re.compile(rb"(?<![\w'])[A-Za-z_][\w']*")
_DEFINED = re.compile(
    rb"\b(?:let|and|val|type|module|exception|external|class|method|mutable)\s+"
    rb"(?:rec\s+|nonrec\s+|type\s+|mutable\s+|(?:\([^)]*\)|[+-]?'\w+)\s+)*([A-Za-z_][\w']*)"
)
_LABEL = re.compile(rb"[~?]\s*(\w+)|\b(\w+)\s*:")
_CONSTRUCTOR = re.compile(rb"[|=]\s*([A-Z][\w']*)")
_DUNE_FILES = frozenset({"dune", "dune-project", "dune-workspace", "dune.inc"})


@dataclass(frozen=True)
class Facts:
    """Of one fragment. ``brings`` are names that come or move here with it, ``loses`` those that go or move away;
    ``touches`` are top-level items in which it lies on both sides, ``old_items`` and ``new_items`` all such items."""

    fragment: Fragment
    module: str
    """The module that its file is, or nothing."""
    brings: frozenset[str]
    loses: frozenset[str]
    uses: frozenset[str]
    """Identifiers (words, in a dune file) of the lines that come."""
    used: frozenset[str]
    """Those of the lines that go."""
    touches: frozenset[str]
    old_items: tuple[Item, ...]
    new_items: tuple[Item, ...]

    @property
    def folder(self) -> str:
        """The folder of its file; empty at the top."""
        return str(PurePosixPath(self.fragment.path).parent).removeprefix(".")

    @property
    def stem(self) -> str:
        """The path without its last suffix: what ``.ml`` and ``.mli`` share."""
        return self.fragment.path.rpartition(".")[0]

    @property
    def interface(self) -> bool:
        """Whether its file says what a module shows."""
        return self.fragment.path.endswith(".mli")

    @property
    def code(self) -> bool:
        """Whether its file has a grammar here."""
        return bool(self.module)

    @property
    def inert(self) -> bool:
        """Whether it changes comments and layout alone."""
        return self.code and not (self.uses or self.used)

    @property
    def dune(self) -> bool:
        """Whether dune reads its file."""
        return is_dune(self.fragment.path)


def is_dune(path: str) -> bool:
    """Return whether dune reads the file of this path as its own."""
    return PurePosixPath(path).name in _DUNE_FILES


def facts_of(fragment: Fragment) -> Facts:
    """Return the facts of one fragment."""
    file, hunk = fragment.file, fragment.hunk
    language = language_of(fragment.path)
    if language is None:
        return _words(fragment)
    old_items = _within(items(file.old_text, language), hunk.start, hunk.end)
    new_items = _within(items(file.new_text, language), hunk.new_start, hunk.new_end)
    olds, news = (frozenset(name for item in side for name in item.names) for side in (old_items, new_items))
    before, after = spelled(file)
    added = _code(file, hunk.new_start, hunk.new_end, new=True)
    removed = _code(file, hunk.start, hunk.end, new=False)
    begin, end = _begun(new_items, hunk.new_start, hunk.new_end), _begun(old_items, hunk.start, hunk.end)
    return Facts(
        fragment=fragment,
        module=module_of(fragment.path),
        brings=(frozenset(_inner(added)) - before) | {name for _, name in begin - end},
        loses=(frozenset(_inner(removed)) - after) | {name for _, name in end - begin},
        uses=_identifiers(added),
        used=_identifiers(removed),
        touches=olds & news,
        old_items=old_items,
        new_items=new_items,
    )


def module_of(path: str) -> str:
    """Return the module that a file of OCaml is."""
    name = PurePosixPath(path).name
    stem = name.partition(".")[0]
    return stem[:1].upper() + stem[1:]


@lru_cache(maxsize=512)
def spelled(file: FileChange) -> tuple[frozenset[str], frozenset[str]]:
    """Return the identifiers (and keywords) of both sides of a file of code."""
    old, new = (_code(file, 0, len(side), new=is_new) for side, is_new in ((file.old, False), (file.new, True)))
    return _identifiers(old), _identifiers(new)


@lru_cache(maxsize=64)
def _tokens(file: FileChange, new: bool) -> dict[int, tuple[bytes, ...]]:
    return token_lines(file.new_text if new else file.old_text, language_of(file.path))


def _code(file: FileChange, start: int, end: int, *, new: bool) -> bytes:
    """Return the code of some lines: their tokens without strings, one blank between any two."""
    held = _tokens(file, new)
    found = (token for line in range(start + 1, end + 1) for token in held.get(line, ()))
    return b" ".join(token for token in found if not token.startswith(b'"'))


def _identifiers(code: bytes) -> frozenset[str]:
    return frozenset(word.decode("ascii") for word in _IDENTIFIER.findall(code))


def _begun(held: Sequence[Item], start: int, end: int) -> frozenset[tuple[str, str]]:
    """Return (kind, name) of the items that begin in [start, end)."""
    return frozenset((item.kind, name) for item in held for name in item.names if start < item.first_line <= end)


def _within(held: Sequence[Item], start: int, end: int) -> tuple[Item, ...]:
    if start == end:
        # nothing on this side: the item around the place, if the place is inside of it
        return tuple(item for item in held if item.first_line - 1 < start < item.last_line)
    return tuple(item for item in held if item.first_line - 1 < end and start < item.last_line)


def _inner(lines: bytes) -> Iterator[str]:
    for pattern in (_DEFINED, _LABEL, _CONSTRUCTOR):
        for found in pattern.finditer(lines):
            for name in found.groups():
                if name:
                    yield name.decode("ascii", "replace")


def _words(fragment: Fragment) -> Facts:
    added, removed = (
        frozenset(word.decode("ascii", "replace") for word in _WORD.findall(side)) if is_dune(fragment.path) else
        frozenset[str]() for side in (fragment.added, fragment.removed)
    )  # fmt: skip
    return Facts(
        fragment=fragment, module="", brings=frozenset(), loses=frozenset(), uses=added - removed,
        used=removed - added, touches=frozenset(), old_items=(), new_items=(),
    )  # fmt: skip
