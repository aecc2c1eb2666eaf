"""Runs of red between greens, and which of their reds count.

A person's half-typed states are red too. A red counts when a build was asked for at it, when it stood for a while, or
when the red before it showed the same errors. The fix of a run is its last red that counts → the green after it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from greenloop.mining.rules import Rules
from greenloop.mining.states import State, Stretch
from greenloop.records import Episode, EpisodeKind, Status, TreeId, Verdict

UNIT = "runs of red"
NEVER_GREEN = "not green again before a cut or the end"
FLEETING = "no red that counts: half-typed"
UNDO = "undone: the tree before, and no build was asked for"
NAMES: tuple[str, ...] = (NEVER_GREEN, FLEETING, UNDO)


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring red states of one stretch, the green before them and the green after, where there is one."""

    stretch: Stretch
    before: State | None
    reds: tuple[State, ...]
    green: State | None


@dataclass(frozen=True, slots=True)
class Fix:
    """The last red that counts of a run, and its green."""

    run: Run
    red: State
    green: State

    def episode(self) -> Episode:
        """Return the run as a record."""
        before, reds = self.run.before, self.run.reds
        first = before or reds[0]
        return Episode(
            workspace=self.run.stretch.workspace.id,
            kind=EpisodeKind.RED_GREEN if before is None else EpisodeKind.GREEN_RED_GREEN,
            first_seq=first.first_seq,
            last_seq=self.green.last_seq,
            start=first.start,
            end=self.green.start,
            before=None if before is None else before.tree,
            reds=tuple(red.tree for red in reds),
            green=self.green.tree,
        )


def is_red(verdict: Verdict) -> bool:
    """Whether a tree is red for a reason that can be named: at least one error, no time-out."""
    return verdict.status is Status.RED and bool(verdict.errors)


def is_clear(verdict: Verdict) -> bool:
    """Whether a state of this verdict says anything: green, or red for a reason that can be named."""
    return verdict.green or is_red(verdict)


def runs(stretch: Stretch, states: Iterable[State], verdicts: Mapping[TreeId, Verdict]) -> Iterator[Run]:
    """Yield the runs of red among ``states``: those of ``stretch`` whose verdict is clear, in order."""
    before: State | None = None
    reds: list[State] = []
    for state in states:
        if not verdicts[state.tree].green:
            reds.append(state)
            continue
        if reds:
            yield Run(stretch, before, tuple(reds), state)
        before, reds = state, []
    if reds:
        yield Run(stretch, before, tuple(reds), None)


def fix_of(run: Run, verdicts: Mapping[TreeId, Verdict], rules: Rules) -> Fix | str:
    """Return the fix of a run, or the name of the rule that drops the run."""
    if run.green is None:
        return NEVER_GREEN
    counted = [red for place, red in enumerate(run.reds) if _counts(run.reds, place, verdicts, rules)]
    if not counted:
        return FLEETING
    # who asked for a build saw the error, so going back to the green before answers it: a fix like any other
    undone = run.before is not None and run.before.tree == run.green.tree
    if undone and not any(red.deliberate for red in run.reds):
        return UNDO
    return Fix(run, counted[-1], run.green)


def _counts(reds: Sequence[State], place: int, verdicts: Mapping[TreeId, Verdict], rules: Rules) -> bool:
    red = reds[place]
    if red.deliberate or red.stood() >= rules.stable_seconds:
        return True
    return place > 0 and _errors(verdicts[reds[place - 1].tree]) == _errors(verdicts[red.tree])


def _errors(verdict: Verdict) -> frozenset[tuple[str | None, str, str]]:
    """The set of errors without their places: typing above an error moves it."""
    return frozenset((error.path, error.category.value, error.message) for error in verdict.errors)
