"""A judged proposal as clients are told it: files, hunks, badge, flags in words."""

import hashlib
from dataclasses import dataclass, replace

from greenloop.aid.protocol.base import Encoding
from greenloop.aid.protocol.turns import FileChange, Hunk, Proposed
from greenloop.aid.workspaces.workspace import problems
from greenloop.assists.suggestion import badge
from greenloop.candidates.attempt import Attempt
from greenloop.records import Badge, TreeId, Verdict
from greenloop.workspace.edits import render_unified
from greenloop.workspace.edits.line_changes import LineChange, LineHunk
from greenloop.workspace.store import TreeStore

FLAGS = {
    "unchanged": "it changes layout or comments at most",
    "deletion": "it only deletes code",
    "stub": "it puts a stub in the place of code",
    "exit": "it ends the program",
    "unsafe": "it goes around the type checker",
    "external": "it declares an external function",
    "silenced-warning": "it silences a warning",
    "shadow": "it makes a comparison blind",
    "peek": "it looks at how it is tested",
    "test-changed": "it changes a test in the code",
    "raises": "it raises where there was a value",
    "swallow": "it swallows an error",
    "shell": "it runs a command",
    "cast": "it casts a value",
    "tamper": "it also changed tests or build files, which were put back",
    "name-removed": "it removes a name that others may use",
}
"""Reason for mistrust → how clients are told it."""


@dataclass(frozen=True)
class Known:
    """A suggestion as the sidecar remembers it. ``base`` is the tree that was asked about."""

    id: str
    base: TreeId
    attempt: Attempt
    changes: tuple[LineChange, ...]
    badge: Badge
    label: str
    source: str
    repaired: int

    @property
    def hunks(self) -> int:
        """How many hunks it has."""
        return sum(len(change.hunks) for change in self.changes)


def known_of(base: TreeId, attempt: Attempt, changes: tuple[LineChange, ...], *, source: str, repaired: int) -> Known:
    """Return what is remembered of an attempt that leads to a tree. Equal results have equal ids."""
    assert attempt.result is not None
    name = hashlib.sha256(f"{base}\n{attempt.result}".encode()).hexdigest()[:16]
    held = badge(attempt.verdict) if attempt.verdict is not None else Badge.UNVERIFIED
    return Known(name, base, attempt, changes, held, label(attempt.verdict, attempt.detail), source, repaired)


def shown(store: TreeStore, known: Known, encoding: Encoding) -> Proposed:
    """Return the suggestion as a client that counts columns so is told it."""
    attempt = known.attempt
    assert attempt.result is not None
    verdict = attempt.verdict
    return Proposed(
        id=known.id,
        files=tuple(file_change(change) for change in known.changes),
        diff=render_unified(store, known.base, attempt.result),
        badge=known.badge,
        label=known.label,
        problems=problems(store, attempt.result, verdict.errors, encoding) if verdict is not None else (),
        flags=tuple(FLAGS.get(flag, flag) for flag in attempt.flags),
        fixed=attempt.fixed,
        source=known.source,
        repaired=known.repaired,
    )


def file_change(change: LineChange) -> FileChange:
    """Return a change of one file as clients are told it."""
    return FileChange(
        path=change.path,
        kind=change.kind,
        new_path=change.new_path,
        hunks=tuple(hunk_of(hunk) for hunk in change.hunks),
        base_sha256=change.base_sha256,
    )


def hunk_of(hunk: LineHunk) -> Hunk:
    """Return a hunk as clients are told it."""
    return Hunk(id=hunk.id, start=hunk.start, end=hunk.end, old=hunk.old, new=hunk.new, new_start=hunk.new_start)


def label(verdict: Verdict | None, why: str = "") -> str:
    """Return a badge in words for people; ``why`` explains a missing verdict."""
    if verdict is None:
        return f"unverified: {why}" if why else "unverified"
    held = badge(verdict)
    if held is Badge.UNVERIFIED:
        return f"unverified: {verdict.note or f'the check ended in {verdict.status.value}'}"
    said = held.value
    if held is Badge.ERRORS:
        count = len(verdict.errors)
        said = "1 error" if count == 1 else f"{count} errors"
    return said if verdict.sandboxed else f"{said}, checked without the sandbox"


def unverified(known: Known, why: str) -> Known:
    """Return the suggestion as long as nothing is known of it."""
    return replace(known, badge=Badge.UNVERIFIED, label=f"unverified: {why}")
