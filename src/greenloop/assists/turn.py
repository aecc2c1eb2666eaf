"""What came of asking once."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.prompts.question import Question
from greenloop.records import Badge, Status, Suggestion, Verdict


@dataclass(frozen=True, slots=True)
class Turn:
    """A question, the verdict on the tree that it is about, and every candidate's end.

    ``suggestions`` are distinct trees, best first; ``attempts`` account for every proposal in the order of making.
    ``faults`` are sentences on what did not work although something else did: a model that failed, a suite that
    could not be run.
    """

    question: Question
    before: Verdict
    suggestions: tuple[Suggestion, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def best(self) -> Suggestion | None:
        """The first suggestion, if there is any."""
        return self.suggestions[0] if self.suggestions else None

    @property
    def verified(self) -> tuple[Suggestion, ...]:
        """The suggestions on which a verdict was reached, whatever it says."""
        return tuple(one for one in self.suggestions if one.badge is not Badge.UNVERIFIED)

    @property
    def fixed(self) -> bool:
        """Whether the best suggestion is an honest fix: fixed, and nothing about it deserves mistrust."""
        return self.best is not None and self.best.fixed and not self.best.flags

    def why_not(self) -> tuple[tuple[str, int], ...]:
        """Return (reason, count) of every attempt that is no honest fix, most frequent first."""
        return why_not(self.attempts)

    def summary(self) -> str:
        """Return one plain sentence on how it went, for people."""
        if not self.attempts:
            return self._nothing_made()
        count = len(self.attempts)
        made = "1 candidate" if count == 1 else f"{count} candidates"
        judged = sum(attempt.outcome is Outcome.JUDGED for attempt in self.attempts)
        if not self.suggestions:
            return f"Nothing to show: of {made} none led to a changed tree{self._reasons()}."
        if not self.verified:
            return f"Nothing is verified: of {made} none could be judged{self._reasons()}."
        if self.before.green:
            green = sum(one.verdict.green for one in self.suggestions)
            return f"{green} of {len(self.suggestions)} distinct results stay green ({made}, {judged} judged)."
        if self.fixed:
            fixes = sum(attempt.fixed and not attempt.flags for attempt in self.attempts)
            return f"{fixes} of {made} fixed it ({judged} judged)."
        return f"Not fixed: none of {made} is an honest fix ({judged} judged{self._reasons('; ')})."

    def _nothing_made(self) -> str:
        if self.before.green:
            return "The tree is green: there is nothing to fix."
        if self.before.status is not Status.RED:
            return f"The judgement of the tree ended in {self.before.status}: no error is known that could be fixed."
        return "No candidate was made, so there is nothing to show."

    def _reasons(self, opening: str = ": ") -> str:
        reasons = self.why_not()
        return opening + ", ".join(f"{reason} {count}" for reason, count in reasons) if reasons else ""


def why_not(attempts: Iterable[Attempt]) -> tuple[tuple[str, int], ...]:
    """Return (reason, count) of every attempt that is no honest fix, most frequent first."""
    counts = Counter(
        attempt.reason or (attempt.flags[0] if attempt.flags else attempt.outcome.value)
        for attempt in attempts
        if not attempt.fixed or attempt.flags
    )
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
