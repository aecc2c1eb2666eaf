"""From raw snapshots to states: distinct neighbouring trees, in stretches that nothing cuts.

The order of the rules is: trees that the store has lost, ticks of too many files, trees equal to the one before, then
changes of generated files only, then changes of layout and comments only. A snapshot that one of the last three drops
still counts for how long its state stood, and for whether a build was asked for. Where only layout or generated files
changed, the state goes on with the later tree. ``nominate`` has cut before what can be cut without a tree.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from greenloop.mining.changed import ChangedFile, changed_files
from greenloop.mining.funnel import Funnel, Tally
from greenloop.mining.nominate import AMONG_GREENS, UNIT, Window
from greenloop.mining.rules import Rules
from greenloop.records import InputError, Snapshot, TreeId, Workspace
from greenloop.workspace.store import TreeStore

LOST = "its tree, or a file of it, is lost"
"""Also what begins the stretch after it: nobody knows what went on there."""
MANY_FILES = "many files"
EQUAL = "equal to the one before"
UNCLEAR = "no clear verdict: timed out, or red without an error"
"""Of a state that was judged: it says nothing, and is passed over."""


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
        """Seconds from the first sight of this state to the next one; 0 where the clock went back meanwhile."""
        return max(0.0, self.until - self.start)


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
_PROLONGING = frozenset({EQUAL, *(rule.name for rule in SAMENESSES)})
NAMES: tuple[str, ...] = (AMONG_GREENS, LOST, EQUAL, *(rule.name for rule in SAMENESSES))


@dataclass(frozen=True, slots=True)
class Nominated:
    """Snapshots that are worth looking at, and the rules to clean them by."""

    window: Window
    rules: Rules


def clean(store: TreeStore, nominated: Nominated) -> tuple[tuple[Stretch, ...], Funnel]:
    """Return the stretches of one window in order, and the count of every rule."""
    tally = Tally(((UNIT, NAMES),))
    found = tuple(stretches(nominated.window, store, nominated.rules, tally))
    return found, tally.funnel()


def stretches(window: Window, store: TreeStore, rules: Rules, tally: Tally) -> Iterator[Stretch]:
    """Yield the stretches of one window in order; ``tally`` counts every snapshot, and what each rule drops."""
    states: list[State] = []
    began = window.cut
    for snapshot in window.snapshots:
        tally.see(UNIT)
        step = _step(store, states[-1].tree if states else None, snapshot.tree, rules)
        if step in {LOST, MANY_FILES}:
            if states:
                yield Stretch(window.workspace, began, tuple(states))
            states, began = [], step
            if step == LOST:
                tally.drop(UNIT, LOST)
                continue
        if step in _PROLONGING:
            tally.drop(UNIT, step)
            states[-1] = _extended(states[-1], snapshot)
            continue
        if states:
            states[-1] = replace(states[-1], until=snapshot.time)
        states.append(_state(snapshot))
    if states:
        yield Stretch(window.workspace, began, tuple(states))


def _step(store: TreeStore, old: TreeId | None, new: TreeId, rules: Rules) -> str:
    """Name what speaks against ``new`` as a new state after ``old``, or return an empty text."""
    if old is None:
        return "" if _whole(store, new) else LOST
    try:
        changes = store.changes(old, new)
        if len(changes) > rules.max_files_per_tick:
            return MANY_FILES if _whole(store, new) else LOST
        return _sameness(changed_files(changes, store.read_blob)) if changes else EQUAL
    except InputError:
        # the old one is whole, so what cannot be read is of the new one
        return LOST


def _whole(store: TreeStore, tree: TreeId) -> bool:
    """Whether all of a tree is in the store; what follows it in a stretch is read where it differs."""
    try:
        return all(entry.blob in store for entry in store.files(tree).values())
    except InputError:
        return False


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
