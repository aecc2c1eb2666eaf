"""What a mutation reads: one OCaml file and its syntax tree, and what it may do to it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import tree_sitter

from greenloop.workspace.syntax import Item, Language, items, parsed


@dataclass(frozen=True, slots=True)
class Patch:
    """Replace the bytes from ``start`` up to ``end`` (exclusive) by ``text``."""

    start: int
    end: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Mutant:
    """One way to break one file. ``line`` (from 1) and ``where``, the definition around it, say at which place."""

    kind: str
    path: str
    patches: tuple[Patch, ...]
    line: int
    where: str = ""

    def broken(self, source: bytes) -> bytes:
        """Return ``source`` with the patches made; they do not overlap."""
        made = source
        for patch in sorted(self.patches, key=lambda one: one.start, reverse=True):
            made = made[: patch.start] + patch.text + made[patch.end :]
        return made


class Code:
    """One OCaml file that parses without an error."""

    def __init__(self, path: str, source: bytes, language: Language, root: tree_sitter.Node) -> None:
        self.path = path
        self.source = source
        self.language = language
        self.root = root

    @classmethod
    def read(cls, path: str, source: bytes, language: Language) -> "Code | None":
        """Return the file, or ``None`` where the grammar does not understand all of it."""
        root = parsed(source, language)
        return None if root is None else cls(path, source, language, root)

    @property
    def module(self) -> str:
        """The module that the file makes."""
        stem = self.path.rpartition("/")[2].partition(".")[0]
        return stem[:1].upper() + stem[1:]

    @cached_property
    def _by_type(self) -> dict[str, list[tree_sitter.Node]]:
        found: dict[str, list[tree_sitter.Node]] = {}
        for node in walk(self.root):
            found.setdefault(node.type, []).append(node)
        return found

    @cached_property
    def _items(self) -> tuple[Item, ...]:
        return items(self.source, self.language)

    def nodes(self, *types: str) -> Iterator[tree_sitter.Node]:
        """Yield the nodes of these types, type by type, each in the order of the text."""
        for one in types:
            yield from self._by_type.get(one, ())

    @cached_property
    def words(self) -> frozenset[str]:
        """Every name that the file spells outside comments and strings."""
        kinds = ("value_name", "constructor_name", "module_name", "field_name", "type_constructor", "label_name")
        return frozenset(text(node) for node in self.nodes(*kinds))

    def item(self, node: tree_sitter.Node) -> Item | None:
        """Return the top-level item around ``node``."""
        line = node.start_point.row + 1
        held = [item for item in self._items if item.first_line <= line <= item.last_line]
        return held[-1] if held else None

    def mutant(self, kind: str, node: tree_sitter.Node, *patches: Patch) -> Mutant:
        """Return the mutant that makes ``patches`` at ``node``."""
        item = self.item(node)
        name = item.name if item is not None and item.name is not None else ""
        return Mutant(kind, self.path, patches, node.start_point.row + 1, name)


def walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """Yield ``node`` and all below it in the order of the text."""
    todo = [node]
    while todo:
        one = todo.pop()
        yield one
        todo += reversed(one.children)


def text(node: tree_sitter.Node) -> str:
    """Return what a node spells."""
    return (node.text or b"").decode("utf-8", "replace")


def replaced(node: tree_sitter.Node, by: str) -> Patch:
    """Return the patch that puts ``by`` in the place of ``node``."""
    return Patch(node.start_byte, node.end_byte, by.encode())


def cut(source: bytes, start: int, end: int) -> Patch:
    """Return the patch that takes bytes out with the blanks before them; a line that holds nothing else goes whole."""
    first = start
    while first > 0 and source[first - 1 : first] in (b" ", b"\t"):
        first -= 1
    opens = first == 0 or source[first - 1 : first] == b"\n"
    closes = end == len(source) or source[end : end + 1] == b"\n"
    if opens and closes:
        return Patch(first, min(end + 1, len(source)), b"")
    if opens:
        # the indentation stays, the blanks behind go
        while source[end : end + 1] in (b" ", b"\t"):
            end += 1
        return Patch(start, end, b"")
    if not closes and source[end : end + 1] not in (b" ", b"\t", b")", b"]", b"}", b";", b","):
        return Patch(start, end, b"")
    return Patch(first, end, b"")


def has_comment(node: tree_sitter.Node) -> bool:
    """Whether a comment stands within ``node``: it would be lost or moved with what it speaks of."""
    return any(one.type == "comment" for one in walk(node))


def inside(node: tree_sitter.Node, *types: str) -> bool:
    """Whether a node of one of ``types`` lies around ``node``."""
    above = node.parent
    while above is not None:
        if above.type in types:
            return True
        above = above.parent
    return False


def drawn(*key: object) -> int:
    """Return a number that ``key`` alone decides: chance that does not depend on the process."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, key)).encode()).digest()[:8], "big")
