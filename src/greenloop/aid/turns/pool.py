"""The suggestions of a turn by now: equal results once, best first, and which of them a client was told of."""

from collections.abc import Iterator
from dataclasses import dataclass

from greenloop.aid.turns.presenting import Known, known_of
from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.candidates.ranking import distinct, ranked
from greenloop.records import Status, TreeId
from greenloop.workspace.edits.line_changes import LineChange, line_changes
from greenloop.workspace.store import TreeStore

MOST_TOLD = 6
"""So many suggestions are told of, the best ones: a search makes dozens."""


@dataclass(frozen=True)
class Standing:
    """A suggestion and its place among the others, from 0."""

    known: Known
    rank: int


class Suggestions:
    """What was proposed on the tree ``base``. ``model`` is the name under which the model proposes."""

    def __init__(self, store: TreeStore, base: TreeId, model: str) -> None:
        self._store = store
        self._base = base
        self._model = model
        self._repaired: dict[int, int] = {}
        self._told: dict[str, Known] = {}
        self._changes: dict[TreeId, tuple[LineChange, ...]] = {}
        self.attempts: list[Attempt] = []
        self.order: tuple[Known, ...] = ()

    @property
    def honest(self) -> bool:
        """Whether one of them is green, and deserves no mistrust."""
        return any(
            one.attempt.verdict is not None and one.attempt.verdict.green and not one.attempt.flags
            for one in self.order
        )

    @property
    def fixed(self) -> bool:
        """Whether one of them is an honest fix."""
        return any(one.attempt.fixed and not one.attempt.flags for one in self.order)

    def add(self, *attempts: Attempt, repaired: int = 0) -> None:
        """Add attempts, or what is known of some by now."""
        fresh = {one.index: one for one in attempts}
        self._repaired.update(dict.fromkeys(fresh.keys() - {one.index for one in self.attempts}, repaired))
        kept = [fresh.pop(one.index, one) for one in self.attempts]
        self.attempts = [*kept, *fresh.values()]
        self.order = tuple(map(self._known, ranked(distinct(self.attempts))))

    def of(self, attempt: Attempt) -> Known | None:
        """Return the suggestion that an attempt came to; ``None`` when it leads to no new tree."""
        return next((one for one in self.order if one.attempt.result == attempt.result), None)

    def news(self) -> Iterator[Standing]:
        """Yield what was not told yet, or is known otherwise than it was told."""
        for rank, known in enumerate(self.order[:MOST_TOLD]):
            before = self._told.get(known.id)
            if before is None or (before.label, before.attempt.flags, before.attempt.fixed) != (
                known.label,
                known.attempt.flags,
                known.attempt.fixed,
            ):
                self._told[known.id] = known
                yield Standing(known, rank)

    def told(self, known: Known) -> None:
        """Note that a client was told of a suggestion that is not among these yet."""
        self._told.setdefault(known.id, known)

    def to_repair(self) -> Attempt | None:
        """Return the model's reply to give back to it, unless something is honest already.

        The best red one with errors to tell it of; else the last one that holds no edit, or one that does not apply.
        """
        if self.honest:
            return None
        for known in self.order:
            attempt = known.attempt
            red = attempt.verdict is not None and attempt.verdict.status is Status.RED and attempt.verdict.errors
            if red and attempt.source == self._model and attempt.reply and attempt.outcome is Outcome.JUDGED:
                return attempt
        stuck = {Outcome.UNREADABLE, Outcome.REFUSED}
        return next((one for one in reversed(self.attempts) if one.reply and one.outcome in stuck), None)

    def _known(self, attempt: Attempt) -> Known:
        assert attempt.result is not None
        if attempt.result not in self._changes:
            # once for a tree: hunks keep the ids under which they are told
            made = line_changes(self._store, self._base, attempt.result, attempt.edit)
            self._changes[attempt.result] = made
        return known_of(
            self._base,
            attempt,
            self._changes[attempt.result],
            source=_source(attempt.source, self._model),
            repaired=self._repaired.get(attempt.index, 0),
        )


def _source(label: str, model: str) -> str:
    """Say who made it without naming a model, which an arm of an experiment may hide."""
    if label == model:
        return "model"
    return "search" if label.startswith("search") else label
