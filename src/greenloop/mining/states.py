"""From raw snapshots to states: distinct neighbouring trees, in stretches that nothing cuts.

The order of the rules is: cuts, then trees equal to the one before, then changes of generated files only, then
changes of layout and comments only. A snapshot that a rule drops still counts for how long its state stood, and
for whether a build was asked for. Where only layout or generated files changed, the state goes on with the later tree.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from greenloop.mining.changed import ChangedFile, changed_files
from greenloop.mining.funnel import Funnel, Tally
from greenloop.mining.rules import Rules
from greenloop.records import COMMIT, Snapshot, TreeId, Workspace
from greenloop.workspace.store import TreeStore

UNIT = "snapshots"
EQUAL = "equal to the one before"


@dataclass(frozen=True, slots=True)
class State:
    """What a workspace held for a while.

    ``start`` is when it was first seen, ``last`` when it was last seen, and ``until`` when the next state of its
    stretch began (``last`` for the final one); Unix seconds. ``deliberate``: the person asked for a build of it.
    """

    tree: TreeId
    first_seq: int
    last_seq: int
    start: float
    last: float
    until: float
    deliberate: bool

    def stood(self) -> float:
        """Seconds from the first sight of this state to the next one."""
        return self.until - self.start


@dataclass(frozen=True, slots=True)
class Stretch:
    """States of one workspace with no cut between them; ``cut`` says what began it."""

    workspace: Workspace
    cut: str
    states: tuple[State, ...]


@dataclass(frozen=True, slots=True)
class Sameness:
    """A rule of the stream: when it holds of every changed file, the state is the one before."""

    name: str
    holds: Callable[[ChangedFile], bool]


SAMENESSES: tuple[Sameness, ...] = (
    Sameness("only generated files changed", lambda file: file.generated),
    Sameness("only layout or comments changed", lambda file: file.generated or file.format_only),
)
NAMES: tuple[str, ...] = (EQUAL, *(rule.name for rule in SAMENESSES))


@dataclass(frozen=True, slots=True)
class History:
    """The snapshots of one workspace in order, and the rules to clean them by."""

    workspace: Workspace
    snapshots: tuple[Snapshot, ...]
    rules: Rules


def clean(store: TreeStore, history: History) -> tuple[tuple[Stretch, ...], Funnel]:
    """Return the stretches of one workspace in order, and the count of every rule."""
    tally = Tally(((UNIT, NAMES),))
    found = tuple(stretches(history.workspace, history.snapshots, store, history.rules, tally))
    return found, tally.funnel()


def stretches(
    workspace: Workspace, snapshots: Iterable[Snapshot], store: TreeStore, rules: Rules, tally: Tally
) -> Iterator[Stretch]:
    """Yield the stretches of one workspace in order; ``tally`` counts every snapshot, and what each rule drops."""
    states: list[State] = []
    began = "start"
    for snapshot in snapshots:
        tally.see(UNIT)
        current = states[-1] if states else None
        changes = () if current is None else store.changes(current.tree, snapshot.tree)
        cut = snapshot.cut if current is None else _cut(current, snapshot, len(changes), rules)
        if current is not None and cut:
            yield Stretch(workspace, began, tuple(states))
            states, current = [], None
        if current is None:
            began = cut or began
            states = [_state(snapshot)]
            continue
        same = _sameness(changed_files(changes, store.read_blob)) if changes else EQUAL
        if same:
            tally.drop(UNIT, same)
            states[-1] = _extended(current, snapshot)
        else:
            states[-1] = replace(current, until=snapshot.time)
            states.append(_state(snapshot))
    if states:
        yield Stretch(workspace, began, tuple(states))


def _cut(current: State, snapshot: Snapshot, files: int, rules: Rules) -> str:
    if snapshot.cut and snapshot.cut != COMMIT:
        return snapshot.cut
    if snapshot.time - current.last > rules.idle_minutes * 60:
        return "idle"
    return "many files" if files > rules.max_files_per_tick else ""


def _sameness(files: tuple[ChangedFile, ...]) -> str:
    return next((rule.name for rule in SAMENESSES if all(map(rule.holds, files))), "")


def _state(snapshot: Snapshot) -> State:
    return State(
        tree=snapshot.tree, first_seq=snapshot.seq, last_seq=snapshot.seq, start=snapshot.time, last=snapshot.time,
        until=snapshot.time, deliberate=snapshot.deliberate,
    )  # fmt: skip


def _extended(state: State, snapshot: Snapshot) -> State:
    return replace(
        state, tree=snapshot.tree, last_seq=snapshot.seq, last=snapshot.time, until=snapshot.time,
        deliberate=state.deliberate or snapshot.deliberate,
    )  # fmt: skip
