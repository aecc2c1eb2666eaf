"""A snapshot: a tree and a time, in the history of one workspace."""

from greenloop.records.base import Count, Record, UnixTime
from greenloop.records.tree import TreeId
from greenloop.records.verdict import Status

COMMIT = "commit"
"""The cut of a commit: it changes no file, so pairs may reach across it."""


class Workspace(Record):
    """One developer's line of work on one project. ``author`` is what splits by person go by."""

    id: str
    author: str
    title: str
    source: str
    """Where its snapshots came from: ``recorder`` or the name of an importer."""


class Snapshot(Record):
    """What a workspace held at a time. Order is by ``seq``, never by the clock."""

    workspace: str
    seq: Count
    time: UnixTime
    """Unix seconds, by the clock of the machine that recorded it."""
    tree: TreeId
    cut: str = ""
    """What happened just before (``checkout``, ``merge``, ``start``…), so that no pair may reach across this point,
    unless it was a ``commit``; empty if nothing did."""
    deliberate: bool = False
    """The person asked for a build at this very moment, so the state is not a half-typed one."""
    reported: Status | None = None
    """What the team's own build said of it, if known. It nominates; only a verdict decides."""
    skipped: Count = 0
    """How many files were left out: too large, secret, or unreadable."""
