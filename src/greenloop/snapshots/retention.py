"""How long snapshots are kept, how much they may take, and how much of the disk is left to others."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from greenloop.snapshots.journal import Segment
from greenloop.snapshots.store import SnapshotStore
from greenloop.storage import named_io_errors
from greenloop.workspace.upkeep import GRACE_SECONDS, Upkeep

_DAY = 86_400.0
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept. A 0 sets no limit."""

    keep_days: int = 0
    """Days after which a segment of a history goes, counted from its newest entry."""
    quota_mib: int = 0
    """MiB that the whole store may take."""


@dataclass(frozen=True, slots=True)
class Retained:
    """What went: segments and their entries, and the bytes of the store before and after."""

    segments: int
    entries: int
    bytes_before: int
    bytes_after: int
    over_quota: bool = False
    """The store is still larger than its quota: what is left is the newest of each workspace, or no history at all."""


def retain(store: SnapshotStore, retention: Retention, now: float) -> Retained:
    """Drop the segments that are too old, and then the oldest ones until the store is within its quota.

    A segment is a day's work at the most. The newest segment of a workspace always stays. Only workspaces of the
    recorder's are touched: what was imported is somebody's data set, not this machine's diary. ``now`` in Unix seconds.
    """
    upkeep = Upkeep(store.trees)
    before = upkeep.size_bytes()
    limit = now - retention.keep_days * _DAY
    dropped: list[Segment] = []
    if retention.keep_days:
        dropped += [one for one in _droppable(store) if one.last_time < limit]
        for segment in dropped:
            store.drop_segment(segment)
    if dropped:
        upkeep.prune(GRACE_SECONDS)
    quota = retention.quota_mib * _MIB
    while quota and upkeep.size_bytes() > quota:
        # several at a time: each round repacks the store, and a store over its quota is a large one
        oldest = _droppable(store)
        part = oldest[: max(1, len(oldest) // 8)]
        if not part:
            break
        for segment in part:
            store.drop_segment(segment)
        dropped += part
        upkeep.prune(0)
    after = upkeep.size_bytes()
    entries = sum(segment.entries for segment in dropped)
    return Retained(len(dropped), entries, before, after, over_quota=bool(quota) and after > quota)


def _droppable(store: SnapshotStore) -> list[Segment]:
    """Return the segments that may go, the oldest first."""
    found: list[Segment] = []
    for workspace in store.workspaces():
        if workspace.source == "recorder":
            found += store.segments(workspace.id)[:-1]
    return sorted(found, key=lambda segment: (segment.last_time, segment.workspace, segment.first_seq))


def enough_space(path: Path, floor_mib: int) -> str:
    """Return why nothing may be written at ``path``: less than ``floor_mib`` MiB are free; ``""`` if there is room."""
    if not floor_mib:
        return ""
    with named_io_errors(path):
        free = shutil.disk_usage(path).free
    if free >= floor_mib * _MIB:
        return ""
    return f"{free // _MIB} MiB are free on the disk of {path}, below the floor of {floor_mib} MiB"
