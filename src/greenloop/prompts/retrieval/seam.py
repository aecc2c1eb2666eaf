"""The seam of retrieval, and the fake that ships with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from greenloop.records import TreeId


@dataclass(frozen=True, slots=True)
class Hit:
    """Whole lines of a file of the tree (from 1, both ends included); the higher the score, the better."""

    path: str
    first_line: int
    last_line: int
    score: float


class Index(Protocol):
    """Finds code in a tree. Any thread may ask."""

    def search(self, tree: TreeId, text: str, *, limit: int) -> Sequence[Hit]:
        """Return the ``limit`` chunks of ``tree`` that have most to do with ``text``, best first."""
        ...

    def uses(self, tree: TreeId, names: Iterable[str]) -> Mapping[str, int]:
        """Return in how many chunks of ``tree`` each of the identifiers is spelled."""
        ...


@dataclass(slots=True)
class ScriptedIndex:
    """The fake: finds ``hits`` for every question, and keeps the questions in ``asked``."""

    hits: Sequence[Hit] = ()
    used: Mapping[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def search(self, tree: TreeId, text: str, *, limit: int) -> Sequence[Hit]:  # noqa: ARG002 - the seam's
        """Return the scripted hits."""
        self.asked.append(text)
        return self.hits[:limit]

    def uses(self, tree: TreeId, names: Iterable[str]) -> Mapping[str, int]:  # noqa: ARG002 - the seam's
        """Return the scripted numbers."""
        return {name: self.used.get(name, 0) for name in names}
