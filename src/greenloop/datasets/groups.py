"""Which examples belong together: those joined by an author, a directory, an episode, a cluster."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from greenloop.records import Example, Origin


class Leaders:
    """Disjoint sets of ids; each set is named by the id of it that came first."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._place = {id_: place for place, id_ in enumerate(ids)}
        self._above = {id_: id_ for id_ in self._place}

    def of(self, id_: str) -> str:
        """Return the first id of the set that ``id_`` is in."""
        while self._above[id_] != id_:
            self._above[id_] = self._above[self._above[id_]]
            id_ = self._above[id_]
        return id_

    def join(self, one: str, other: str) -> None:
        """Make one set of the two that these ids are in."""
        first, second = sorted((self.of(one), self.of(other)), key=self._place.__getitem__)
        self._above[second] = first


@dataclass(slots=True)
class Group:
    """Examples that must stay together; ``key`` is the id of one of them."""

    key: str
    examples: list[Example] = field(default_factory=list)

    @property
    def start(self) -> float:
        """When its first edit was seen."""
        return min(example.time for example in self.examples)

    @property
    def end(self) -> float:
        """When its last edit was seen."""
        return max(example.time for example in self.examples)


_NAMED = frozenset({Origin.COMMIT, Origin.FEATURE})
"""Changes that follow each other: those that belong together carry the name of a commit."""

Ties = Callable[[Example], Iterable[Hashable]]
"""What an example shares with those that it must stay with."""


def grouped(examples: Sequence[Example], *ties: Ties) -> list[Group]:
    """Return the groups of ``examples`` that share something, in the order of their first examples."""
    order = sorted(examples, key=lambda one: (one.time, one.id))
    leaders = Leaders(one.id for one in order)
    first_with: dict[tuple[int, Hashable], str] = {}
    for one in order:
        for kind, tie in enumerate(ties):
            for shared in tie(one):
                leaders.join(first_with.setdefault((kind, shared), one.id), one.id)
    groups: dict[str, Group] = {}
    for one in examples:
        groups.setdefault(leaders.of(one.id), Group(leaders.of(one.id))).examples.append(one)
    return sorted(groups.values(), key=lambda group: (group.start, group.key))


def of_episode(example: Example) -> Iterable[Hashable]:
    """What examples of one episode share: its name where mining gave one, and a tree of the same workspace.

    Synthetic examples all lead back to the one green tree that was broken, each by a slip of its own: no episode.
    """
    if example.episode:
        yield "episode", example.episode
        # where one commit ends the next begins, and so all of a history would be one
        if example.origin in _NAMED:
            return
    if example.origin is Origin.SYNTHETIC:
        return
    for tree in (example.base, example.target):
        yield "tree", example.workspace, tree


def of_author(example: Example) -> Iterable[Hashable]:
    """What examples of one person share."""
    yield example.author


def of_directory(example: Example) -> Iterable[Hashable]:
    """What examples of one directory share: the folder of each file that the edit names, ``.`` for the root."""
    for path in example.edit.paths:
        yield path.rpartition("/")[0] or "."


def episodes(examples: Sequence[Example]) -> dict[str, str]:
    """Return example id → the id that names its episode."""
    return {one.id: group.key for group in grouped(examples, of_episode) for one in group.examples}
