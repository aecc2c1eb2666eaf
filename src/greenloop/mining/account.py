"""What became of every snapshot of one workspace: the notes of a pass over it, and what they answer.

Nothing of this is kept. Verdicts are stored, so mining one workspace again takes less than a log of everything would.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from greenloop.mining.episodes import Lesson, Run, is_clear, why_it_counts
from greenloop.mining.rules import Rules
from greenloop.mining.states import State, Stretch
from greenloop.mining.trace import Trace
from greenloop.records import Example, TreeId, Verdict


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one candidate. ``mined`` is the example before it was minimised, ``example`` after.

    ``rule`` dropped it, if it is not empty; ``example`` may be known all the same, as of a duplicate.
    """

    lesson: Lesson
    mined: Example | None
    example: Example | None
    rule: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One state of a stretch with its verdict. ``clear``: the verdict says something."""

    stretch: Stretch
    state: State
    verdict: Verdict

    @property
    def clear(self) -> bool:
        """Whether the state takes part: green, or red for a reason that can be named."""
        return is_clear(self.verdict)


@dataclass
class Account(Trace):
    """Notes everything of a pass over one workspace: a whole history stays in memory."""

    rules: Rules
    seen: list[Seen] = field(default_factory=list, init=False)
    runs: list[tuple[Run, str]] = field(default_factory=list, init=False)
    fates: list[Fate] = field(default_factory=list, init=False)
    _verdicts: dict[TreeId, Verdict] = field(default_factory=dict, init=False)

    def stretch(self, stretch: Stretch, verdicts: Mapping[TreeId, Verdict]) -> None:
        """See ``Trace.stretch``."""
        self._verdicts.update((state.tree, verdicts[state.tree]) for state in stretch.states)
        self.seen += [Seen(stretch, state, verdicts[state.tree]) for state in stretch.states]

    def run(self, run: Run, rule: str) -> None:
        """See ``Trace.run``."""
        self.runs.append((run, rule))

    def candidate(self, lesson: Lesson, example: Example | None, rule: str) -> None:
        """See ``Trace.candidate``."""
        self.fates.append(Fate(lesson, example, example, rule))

    def minimised(self, fates: Sequence[tuple[Example, Example, str]]) -> None:
        """See ``Trace.minimised``."""
        became = {old.id: (new, rule) for old, new, rule in fates}
        for place, fate in enumerate(self.fates):
            if not fate.rule and fate.mined is not None:
                new, rule = became[fate.mined.id]
                self.fates[place] = replace(fate, example=new, rule=rule)

    def dropped(self, example: Example, rule: str) -> None:
        """See ``Trace.dropped``."""
        for place, fate in enumerate(self.fates):
            if not fate.rule and fate.example == example:
                self.fates[place] = replace(fate, rule=rule)

    def verdict(self, state: State) -> Verdict:
        """Return the verdict on a state that was noted."""
        return self._verdicts[state.tree]

    def holding(self, seq: int) -> Seen | None:
        """Return the state that holds the snapshot ``seq``; what was not nominated, or is lost, is in none."""
        return next((one for one in self.seen if one.state.first_seq <= seq <= one.state.last_seq), None)

    def run_of(self, state: State) -> tuple[Run, str] | None:
        """Return the run that ``state`` is a red of, or that it ends, and the rule that dropped it."""
        return next((one for one in self.runs if state in (*one[0].reds, one[0].green)), None)

    def counts(self, run: Run, state: State) -> str:
        """Return why a red of ``run`` counts; empty where it does not."""
        return why_it_counts(run.reds, run.reds.index(state), self._verdicts, self.rules)

    def fates_of(self, state: State) -> tuple[Fate, ...]:
        """Return what became of the candidates that ``state`` begins or may end."""
        return tuple(one for one in self.fates if state in (one.lesson.red, *one.lesson.targets))

    def behind(self, example_id: str) -> Fate | None:
        """Return the candidate that became the example of this id."""
        return next(
            (one for one in self.fates if not one.rule and one.example is not None and one.example.id == example_id),
            None,
        )
