"""Runs of red between greens, and which of their reds count.

A person's half-typed states are red too. A red counts when a build was asked for at it, when it stood for a while, or
when the red before it showed the same errors. The fix of a run is its last red that counts → the green after it. Its
earlier reds lead to that green too; and where a compiler stops at its first error, a step from one red to a later one
whose first error lies behind the definition that held it is the fix of one error among several. Where a build shows
several at once, so is a step from one red to the next by which their set shrinks though the first stays.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from greenloop.mining.rules import Rules
from greenloop.mining.shrinking import mended
from greenloop.mining.states import State, Stretch
from greenloop.records import Episode, EpisodeKind, Origin, Status, TreeId, Verdict

UNIT = "runs of red"
NEVER_GREEN = "not green again before a cut or the end"
FLEETING = "no red that counts: half-typed"
UNDO = "undone: the tree before, and no build was asked for"
NAMES: tuple[str, ...] = (NEVER_GREEN, FLEETING, UNDO)
UNCLEAR = "no clear verdict: timed out, or red without an error"
"""What is counted under this name are states and commits, no runs."""

_MOST_TARGETS = 4
"""Later reds that are tried as the end of a step: what comes after more attempts answers more than one error."""


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring red states of one stretch, the green before them and the green after, where there is one."""

    stretch: Stretch
    before: State | None
    reds: tuple[State, ...]
    green: State | None

    @property
    def name(self) -> str:
        """What examples call their episode."""
        return f"{self.stretch.workspace.id}#{(self.before or self.reds[0]).first_seq}"

    def episode(self) -> Episode:
        """Return a run that ended green as a record."""
        assert self.green is not None, "a run without its green is no episode"
        first = self.before or self.reds[0]
        return Episode(
            workspace=self.stretch.workspace.id,
            kind=EpisodeKind.RED_GREEN if self.before is None else EpisodeKind.GREEN_RED_GREEN,
            first_seq=first.first_seq,
            last_seq=self.green.last_seq,
            start=first.start,
            end=self.green.start,
            before=None if self.before is None else self.before.tree,
            reds=tuple(red.tree for red in self.reds),
            green=self.green.tree,
        )


@dataclass(frozen=True, slots=True)
class Lesson:
    """A red that counts, and the states to which it may have led, the nearest first: one of them is its target."""

    run: Run
    origin: Origin
    red: State
    targets: tuple[State, ...]


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


def lessons(run: Run, verdicts: Mapping[TreeId, Verdict], rules: Rules) -> tuple[Lesson, ...] | str:
    """Return what a run teaches, its fix first, or the name of the rule that drops all of it.

    A run that never came back to green may teach its steps all the same; where it has none, ``NEVER_GREEN`` drops it.
    """
    counted = [red for place, red in enumerate(run.reds) if why_it_counts(run.reds, place, verdicts, rules)]
    steps = (*_steps(run, counted, verdicts), *_shrinking(run, counted, verdicts))
    if run.green is None:
        return steps or NEVER_GREEN
    if not counted:
        return FLEETING
    # who asked for a build saw the error, so going back to the green before answers it: a fix like any other
    undone = run.before is not None and run.before.tree == run.green.tree
    if undone and not any(red.deliberate for red in run.reds):
        return UNDO
    *earlier, last = counted
    fixes = [Lesson(run, Origin.EPISODE, last, (run.green,))]
    fixes += [Lesson(run, Origin.EARLIER, red, (run.green,)) for red in reversed(earlier)]
    return (*fixes, *steps)


def _steps(run: Run, counted: Sequence[State], verdicts: Mapping[TreeId, Verdict]) -> Iterator[Lesson]:
    for place, red in enumerate(counted):
        errors = _errors(verdicts[red.tree])
        later = (other for other in counted[place + 1 :] if _errors(verdicts[other.tree]) != errors)
        targets = tuple(islice(later, _MOST_TARGETS))
        if targets:
            yield Lesson(run, Origin.SUBFIX, red, targets)


def _shrinking(run: Run, counted: Sequence[State], verdicts: Mapping[TreeId, Verdict]) -> Iterator[Lesson]:
    # like the green after a fix, what a step leads to need not stand: it has no error that was not there before
    for red, later in pairwise(run.reds):
        if red in counted and mended(verdicts[red.tree], verdicts[later.tree]):
            yield Lesson(run, Origin.SHRINKING, red, (later,))


def why_it_counts(reds: Sequence[State], place: int, verdicts: Mapping[TreeId, Verdict], rules: Rules) -> str:
    """Return why the red at ``place`` of a run is no half-typed state; empty where nothing says so."""
    red = reds[place]
    if red.deliberate:
        return "a build was asked for"
    if red.stood() >= rules.stable_seconds:
        return f"it stood for {red.stood():.0f} s"
    same = place > 0 and _errors(verdicts[reds[place - 1].tree]) == _errors(verdicts[red.tree])
    return "its errors are those of the red before" if same else ""


def _errors(verdict: Verdict) -> frozenset[tuple[str | None, str, str]]:
    """The set of errors without their places: typing above an error moves it."""
    return frozenset((error.path, error.category.value, error.message) for error in verdict.errors)
