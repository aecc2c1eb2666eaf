"""How much of what was accepted is still there later, by the recorder's snapshots: no editor has to tell.

What is counted are lines: one that the acceptance added is kept while a comparison with the later text finds it there,
one that it removed is kept while it has not come back. Blank lines do not count. A file that was renamed since counts
as gone. Where the recorder did not look at the moment in question, nothing is told.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from greenloop.feedback.funnel import Funnel
from greenloop.records import COMMIT, Snapshot, TreeId
from greenloop.records.funnel import FunnelEvent, Retained, Step, label
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.edits.differ import hunks
from greenloop.workspace.edits.text import split_lines
from greenloop.workspace.store import TreeStore

HORIZONS = {"30s": 30.0, "2min": 120.0, "5min": 300.0, "10min": 600.0}
"""Seconds after an acceptance. Beside them stands ``commit``: the first one after it."""
AT_COMMIT = "commit"

Alive = Callable[[str], float]
"""Until when (Unix seconds) the recorder of a workspace is known to have looked: its heartbeat."""


def settle(funnel: Funnel, snapshots: SnapshotStore, *, alive: Alive = lambda _workspace: 0.0) -> int:
    """Find out what became of acceptances whose moments have passed, keep it, and return how many figures are new."""
    told = {(found.acceptance, found.horizon) for found in funnel.retained()}
    accepted: dict[str, list[FunnelEvent]] = {}
    for event in funnel.events():
        if event.step is Step.ACCEPTED and event.acceptance and event.base and event.result:
            accepted.setdefault(event.workspace, []).append(event)
    new = 0
    for workspace in snapshots.workspaces():
        events = accepted.get(label(workspace.id), [])
        if not events:
            continue
        first = min(event.time for event in events)
        history = [one for one in snapshots.snapshots(workspace.id) if one.time >= first]
        until = alive(workspace.id)
        for event in events:
            for horizon, later in _states(event, history, until):
                if (event.acceptance, horizon) in told:
                    continue
                found = _survival(snapshots.trees, TreeId(event.base), TreeId(event.result), later.tree)
                if found is not None:
                    funnel.keep(Retained(acceptance=event.acceptance, horizon=horizon, kept=found[0], of=found[1]))
                    new += 1
    return new


def _states(event: FunnelEvent, history: Sequence[Snapshot], until: float) -> Iterator[tuple[str, Snapshot]]:
    """Yield each horizon of an acceptance at which the workspace's state is known, with that state."""
    after = [one for one in history if one.time >= event.time]
    times = [one.time for one in after]
    for horizon, seconds in HORIZONS.items():
        moment = event.time + seconds
        count = bisect_right(times, moment)
        following = after[count] if count < len(after) else None
        # a recorder that started anew had not looked before
        looked = until >= moment if following is None else following.cut != "start"
        if count and looked:
            yield horizon, after[count - 1]
    commit = next((one for one in after if one.cut == COMMIT), None)
    if commit is not None:
        yield AT_COMMIT, commit


def _survival(trees: TreeStore, base: TreeId, result: TreeId, later: TreeId) -> tuple[int, int] | None:
    """Return (lines kept, lines there were); ``None`` where a tree is no longer there, or no line counts."""
    if any(tree not in trees for tree in (base, result, later)):
        return None
    kept = total = 0
    for change in trees.changes(base, result):
        old, new, now = (_lines(trees.read(tree, change.path)) for tree in (base, result, later))
        removed, added = _changed(old, new)
        gone, _ = _changed(new, now)
        dropped, _ = _changed(old, now)
        lost, absent = {at for at, _ in gone}, {at for at, _ in dropped}
        total += len(added) + len(removed)
        kept += sum(at not in lost for at, _ in added) + sum(at in absent for at, _ in removed)
    return (kept, total) if total else None


def _lines(content: bytes | None) -> list[str]:
    return [] if content is None else split_lines(content.decode("utf-8", "surrogateescape"))


def _changed(old: Sequence[str], new: Sequence[str]) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Return the lines that went and those that came, each with its number, without blank ones."""
    went: list[tuple[int, str]] = []
    came: list[tuple[int, str]] = []
    for hunk in hunks(old, new):
        went += [(at, old[at]) for at in range(hunk.start, hunk.end) if old[at].strip()]
        came += [(at, new[at]) for at in range(hunk.new_start, hunk.new_end) if new[at].strip()]
    return went, came
