"""What an actor judges with, and the stand-ins that let a worker run far from the repositories and the books."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from greenloop.ces.quarantine import MemoryQuarantine
from greenloop.ces.revisions import Found as Revision
from greenloop.ces.revisions import Revisions
from greenloop.ces.seams import Builds, Judges
from greenloop.records import InputError
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True)
class Quarantined:
    """Tests that a worker put into quarantine."""

    toolchain: str
    project: str
    tests: tuple[str, ...]
    note: str = ""


class RelayQuarantine(MemoryQuarantine):
    """Knows what the head told, and keeps what is new for the head's books."""

    def __init__(self) -> None:
        super().__init__()
        self._new: list[Quarantined] = []

    def learn(self, toolchain: str, project: str, tests: Iterable[str]) -> None:
        """Take over what the books hold."""
        super().add_quarantine(toolchain, project, tests)

    def add_quarantine(self, toolchain: str, project: str, tests: Iterable[str], note: str = "") -> None:
        """See ``Quarantine.add_quarantine``."""
        found = Quarantined(toolchain, project, tuple(tests), note)
        super().add_quarantine(toolchain, project, found.tests, note)
        with self._lock:
            self._new.append(found)

    def drain(self) -> tuple[Quarantined, ...]:
        """Return what is new since the last call."""
        with self._lock:
            new, self._new = self._new, []
        return tuple(new)


class ToldRevisions(Revisions):
    """Revisions as the head spells them for its actors: ``NAME@COMMIT.TREE``, the tree already shipped."""

    def __init__(self, store: TreeStore) -> None:
        super().__init__(store, {})
        self._here = store

    def find(self, text: str) -> Revision:
        """Return what ``text`` names. Raises ``InputError`` when its tree was not shipped."""
        name, _, rest = text.rpartition("@")
        commit, _, tree = rest.rpartition(".")
        if tree not in self._here:
            raise InputError(f"{tree}: no such tree here", "it was not shipped: ask again")
        return Revision(name, commit, tree, name)


def told(found: Revision) -> str:
    """Return a revision as ``ToldRevisions`` reads it, under the name that its tests go by."""
    return f"{found.project}@{found.commit}.{found.tree}"


@dataclass(frozen=True)
class Bench:
    """The parts of an actor. ``close`` ends what they started; it is called at most once."""

    fingerprint: str
    store: TreeStore
    worker: Judges
    builds: Builds
    quarantine: RelayQuarantine
    close: Callable[[], None]


MakeBench = Callable[[Path], Bench]
"""Makes a bench in a folder of the actor's own, which may hold what an earlier life left.

It travels to the nodes by its name, so it lives in a module that is installed there. Raises ``GreenloopError`` where
the node lacks what judging takes.
"""
