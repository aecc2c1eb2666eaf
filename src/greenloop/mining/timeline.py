"""Green and red over time, for pictures."""

from collections.abc import Iterable
from dataclasses import dataclass

from greenloop.builds.judge import Judge
from greenloop.records import Snapshot, Status, Suite, TreeId


@dataclass(frozen=True, slots=True)
class Moment:
    """One snapshot and what its tree came to. ``time`` in Unix seconds; ``cut`` as in the snapshot."""

    seq: int
    time: float
    tree: TreeId
    status: Status
    deliberate: bool
    cut: str


def timeline(snapshots: Iterable[Snapshot], judge: Judge, suite: Suite) -> tuple[Moment, ...]:
    """Return every snapshot of one workspace with its status, in order; verdicts come from ``judge``."""
    history = tuple(snapshots)
    verdicts = judge.judge_many((snapshot.tree for snapshot in history), suite)
    return tuple(
        Moment(
            seq=snapshot.seq,
            time=snapshot.time,
            tree=snapshot.tree,
            status=verdicts[snapshot.tree].status,
            deliberate=snapshot.deliberate,
            cut=snapshot.cut,
        )
        for snapshot in history
    )
