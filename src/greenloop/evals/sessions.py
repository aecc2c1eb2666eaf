"""A file of recorded sessions as held-out tasks: imported and mined, each step done once.

Everything of it lies in a folder of its own, with its own trees, histories and verdicts: what a model is scored on
never stands among the histories that ``greenloop mine`` learns from. The same file, toolchain and rules find the same
examples again, and a run that was stopped goes on with the verdicts that it has. The examples are those that a dataset
of the file would hold (no secrets, no repeats, no near-duplicates), and its parts are those of such a dataset.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from greenloop.builds.judge import Judge
from greenloop.datasets.build import Choice, selected
from greenloop.datasets.load import EVERYTHING, part_of, read_examples
from greenloop.datasets.split import Split, SplitRule, split
from greenloop.mining.rules import Rules
from greenloop.mining.sources.episodes import EpisodeSource
from greenloop.mining.sources.seam import Tell
from greenloop.records import Example, InputError, Suite, Workspace
from greenloop.snapshots.ocaml_top import import_sessions
from greenloop.snapshots.store import SnapshotStore
from greenloop.storage import sha256_of, write_atomically
from greenloop.workspace.store import TreeStore

_RULES = 1
"""Raised whenever a change of mining or datasets should be seen in folders that are there."""


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, by which its folder is named. Raises ``InputError`` when there is no such file."""
    if not path.is_file():
        raise InputError(f"{path}: no such file", "name a file of sessions, JSON lines, plain or .xz")
    return sha256_of(path)


@dataclass(frozen=True, slots=True)
class Sessions:
    """The examples of a file, and what they are called: ``sessions-`` and a digest of file, toolchain and rules."""

    name: str
    examples: tuple[Example, ...]

    def part(self, name: str) -> tuple[Example, ...]:
        """Return a part by author as ``dataset build`` makes it, or all. Raises ``InputError`` for an unknown part."""
        if name == EVERYTHING:
            return self.examples
        parts: Mapping[Split, tuple[Example, ...]] = split(self.examples, SplitRule()).examples
        return part_of(parts, name)


@dataclass(frozen=True, slots=True)
class SessionsDesk:
    """What mining a file of sessions takes. ``folder``, ``snapshots`` and ``store`` are of that file alone.

    ``judge`` is asked for with a workspace of the file; ``budget`` is in tokens of context, as for a dataset.
    """

    folder: Path
    snapshots: SnapshotStore
    store: TreeStore
    judge: Callable[[Workspace], Judge]
    suite: Suite
    rules: Rules
    budget: int
    workers: int = 1

    def examples(self, path: Path, authors: Sequence[str] = (), progress: Tell | None = None) -> Sessions:
        """Return the examples of a file of OCaml top-level sessions (see ``snapshots.ocaml_top``).

        ``authors``: only what these people wrote is mined; all of it where none is named.

        Raises ``RecordError`` when the file is foreign or damaged, ``InputError`` when an author is not in it or
        nothing in it is a task, and ``InfrastructureError`` where a verdict cannot be reached.
        """
        self._import(path)
        chosen = self._chosen(path, authors)
        judge = self.judge(chosen[0])
        parts = (_RULES, digest_of(path), judge.fingerprint, self.rules, self.suite.value, self.budget, sorted(authors))
        key = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
        kept = self.folder / f"examples-{key}.jsonl"
        if not kept.is_file():
            source = EpisodeSource(
                self.snapshots,
                judge,
                self.store,
                self.suite,
                rules=self.rules,
                workspaces=chosen,
                workers=self.workers,
            )
            found = tuple(source.examples(progress))
            if not found:
                raise InputError(f"{path}: nothing in it went from red to green", "is it a file of sessions in OCaml?")
            chosen_few = selected(found, self.store, Choice(), budget=self.budget, workers=self.workers).kept
            write_atomically(kept, "".join(f"{one.example.to_json()}\n" for one in chosen_few).encode())
        return Sessions(f"sessions-{key}", read_examples(kept))

    def _import(self, path: Path) -> None:
        """Bring the file in, once: its folder is named by its content."""
        done = self.folder / "imported"
        if not done.is_file():
            import_sessions(path, self.snapshots)
            write_atomically(done, b"")

    def _chosen(self, path: Path, authors: Sequence[str]) -> list[Workspace]:
        workspaces = self.snapshots.workspaces()
        people = sorted({one.author for one in workspaces})
        unknown = sorted(set(authors) - set(people))
        if unknown:
            raise InputError(f"{path}: nobody in it is called {unknown[0]!r}", f"there are {', '.join(people)}")
        chosen = [one for one in workspaces if not authors or one.author in authors]
        if not chosen:
            raise InputError(f"{path}: holds no session", "name a file of sessions, JSON lines, plain or .xz")
        return chosen
