"""What Greenloop wrote and people accepted: never trained on as a person's work, also where they went on from there.

A tree that came about by accepting is known by its id. But a recorder sees the next keystroke too, and a commit holds
more than one suggestion: so the lines that a suggestion brought are known as well, by path, and a change that brings
all of them again holds its work. Lines that are short, or say nothing by a word, are in everybody's code.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greenloop.mining.changed import ChangedFile, changed_files
from greenloop.records import TreeId
from greenloop.workspace.edits.differ import hunks
from greenloop.workspace.edits.text import split_lines
from greenloop.workspace.store import TreeStore

Lines = frozenset[tuple[str, str]]
"""Lines that a change brings: (path, text without the blanks around it)."""
_SAYS = re.compile(r"\w{2}.*\W.*\w")
_SHORTEST = 10
"""Characters of a line that counts."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The trees that people accepted from Greenloop, and what each suggestion brought that tells it from others."""

    trees: frozenset[TreeId] = frozenset()
    brought: tuple[Lines, ...] = ()

    @classmethod
    def read(cls, store: TreeStore, pairs: Iterable[tuple[TreeId, TreeId]]) -> "Accepted":
        """Return what is known of suggestions by their (base, result).

        Of one whose trees the store has not kept the id of the result is all that is known.
        """
        known = tuple(dict.fromkeys(pairs))
        brought = [
            lines
            for base, result in known
            if base in store and result in store
            if (lines := _telling(changed_files(store.changes(base, result), store.read_blob)))
        ]
        return cls(frozenset(result for _, result in known), tuple(brought))

    def holds(self, target: TreeId, files: Sequence[ChangedFile]) -> bool:
        """Whether a change to ``target``, in which ``files`` differ, is a suggestion or holds all that one brought."""
        if target in self.trees:
            return True
        if not self.brought:
            return False
        lines = _telling(files)
        return any(one <= lines for one in self.brought)


NOTHING = Accepted()
"""Where nobody accepted anything."""


def _telling(files: Iterable[ChangedFile]) -> Lines:
    """Return the lines that ``files`` bring and that say something."""
    return frozenset(
        (file.path, text)
        for file in files
        for text in map(str.strip, _come(file))
        if len(text) >= _SHORTEST and _SAYS.search(text)
    )


def _come(file: ChangedFile) -> Iterable[str]:
    old, new = (split_lines((side or b"").decode("utf-8", "replace")) for side in (file.old, file.new))
    for hunk in hunks(old, new):
        yield from new[hunk.new_start : hunk.new_end]
