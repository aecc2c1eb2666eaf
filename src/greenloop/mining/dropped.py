"""What was dropped, by name: each run of red, commit, piece, mutant and candidate that became no example."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from greenloop.mining import episodes, filters
from greenloop.mining.episodes import Lesson, Run
from greenloop.mining.trace import Trace
from greenloop.records import Example, Record, TreeId


class Dropped(Record):
    """One line of ``FILE.dropped.jsonl``: the snapshots ``first_seq`` to ``last_seq`` of ``workspace``.

    ``rule`` is the step of the funnel that counts it. ``base`` is a candidate's red tree, or a run's first one.
    ``target`` is where it led: ``null`` where a run never came back to green, and where none of several later states
    ended a step.
    """

    rule: str
    unit: str
    workspace: str
    first_seq: int
    last_seq: int
    base: TreeId
    target: TreeId | None


class LeftOut(Record):
    """A line of the same file where no history was mined: ``what`` is a commit, a feature or a mutant.

    ``base`` and ``target`` are the trees before and after, as far as they were read.
    """

    rule: str
    unit: str
    workspace: str
    what: str
    base: TreeId | None = None
    target: TreeId | None = None


Note = Callable[[LeftOut], None]
"""Called for each thing that a source leaves out, as it goes."""


def note_nothing(_one: LeftOut) -> None:
    """A ``Note`` where nobody reads."""


@dataclass
class DroppedTrace(Trace):
    """Collects what was dropped; of what was kept it holds as much as it takes to name it if it is dropped later."""

    _found: list[Dropped] = field(default_factory=list, init=False)
    _kept: dict[str, Dropped] = field(default_factory=dict, init=False)

    def lines(self) -> tuple[Dropped, ...]:
        """Return what was dropped, by workspace and sequence number."""
        return tuple(
            sorted(
                self._found,
                key=lambda one: (one.workspace, one.first_seq, one.last_seq, one.unit, one.base, one.target or ""),
            )
        )

    def run(self, run: Run, rule: str) -> None:
        """See ``Trace.run``."""
        if rule:
            last = run.green or run.reds[-1]
            target = None if run.green is None else run.green.tree
            self._found.append(
                Dropped(
                    rule=rule, unit=episodes.UNIT, workspace=run.stretch.workspace.id,
                    first_seq=run.reds[0].first_seq, last_seq=last.last_seq, base=run.reds[0].tree, target=target,
                )
            )  # fmt: skip

    def candidate(self, lesson: Lesson, example: Example | None, rule: str) -> None:
        """See ``Trace.candidate``."""
        one = _entry(lesson, rule)
        if rule:
            self._found.append(one)
        elif example is not None:
            self._kept[example.id] = one

    def minimised(self, fates: Sequence[tuple[Example, Example, str]]) -> None:
        """See ``Trace.minimised``."""
        kept: dict[str, Dropped] = {}
        for old, new, rule in fates:
            one = self._kept[old.id]
            if rule:
                self._found.append(one.model_copy(update={"rule": rule}))
            else:
                kept[new.id] = one
        self._kept = kept

    def dropped(self, example: Example, rule: str) -> None:
        """See ``Trace.dropped``."""
        self._found.append(self._kept.pop(example.id).model_copy(update={"rule": rule}))


def _entry(lesson: Lesson, rule: str) -> Dropped:
    return Dropped(
        rule=rule,
        unit=filters.UNIT,
        workspace=lesson.run.stretch.workspace.id,
        first_seq=lesson.red.first_seq,
        last_seq=lesson.targets[-1].last_seq,
        base=lesson.red.tree,
        target=lesson.targets[0].tree if len(lesson.targets) == 1 else None,
    )
