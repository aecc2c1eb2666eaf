"""Which snapshots may hold a run of red: found by what builds said of them, before any tree is read.

A recorder that runs for years holds mostly greens. Only snapshots around one that was not reported green can teach a
fix, so only those are judged. A report nominates, a verdict decides: where nothing was reported the snapshot may be
red, and a history without any report is nominated whole. One pass over the stream, whose memory does not grow with it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from greenloop.mining.funnel import Tally
from greenloop.mining.rules import Rules
from greenloop.records import COMMIT, Snapshot, Status, Workspace

UNIT = "snapshots"
AMONG_GREENS = "reported green, like the one before and the next"
AFTER_GREENS = "after greens"
"""What begins a window where nothing cut the history: the snapshots before it were not looked at."""
START = "start"
"""What begins the first window, unless its snapshot says otherwise."""
IDLE = "idle"
"""What begins a window after ``mining.idle_minutes`` without a snapshot."""
LONG = "long"
"""What begins a window that goes on where one of the largest size ended."""

MOST_SNAPSHOTS = 4000
"""In one window: a history that is never reported green is looked at in parts of this size."""


@dataclass(frozen=True, slots=True)
class Window:
    """Neighbouring snapshots of one workspace, with no cut between them that can be told without their trees.

    ``cut`` says what began it: what the snapshot says, or one of the words above.
    """

    workspace: Workspace
    cut: str
    snapshots: tuple[Snapshot, ...]


def windows(workspace: Workspace, snapshots: Iterable[Snapshot], rules: Rules, tally: Tally) -> Iterator[Window]:
    """Yield what is worth looking at in one history, in order; ``tally`` counts the snapshots that are not."""
    held: list[Snapshot] = []
    began = START
    last: Snapshot | None = None
    for snapshot in snapshots:
        cut = snapshot.cut if last is None else _cut(last, snapshot, rules)
        twice = last is not None and _green(last) and _green(snapshot)
        if cut or twice or len(held) == MOST_SNAPSHOTS:
            yield from _closed(workspace, began, held, tally)
            held = []
            began = cut or (AFTER_GREENS if twice else LONG)
        held.append(snapshot)
        last = snapshot
    yield from _closed(workspace, began, held, tally)


def _closed(workspace: Workspace, began: str, held: list[Snapshot], tally: Tally) -> Iterator[Window]:
    if len(held) == 1 and _green(held[0]):
        tally.see(UNIT)
        tally.drop(UNIT, AMONG_GREENS)
    elif held:
        yield Window(workspace, began, tuple(held))


def _green(snapshot: Snapshot) -> bool:
    return snapshot.reported is Status.GREEN


def _cut(last: Snapshot, snapshot: Snapshot, rules: Rules) -> str:
    if snapshot.cut and snapshot.cut != COMMIT:
        return snapshot.cut
    return IDLE if snapshot.time - last.time > rules.idle_minutes * 60 else ""
