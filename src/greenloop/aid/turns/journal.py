"""The one place that writes what became of a turn to the log of feedback."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.feedback.log import FeedbackLog
from greenloop.records import Badge, Feedback, FeedbackKind, TreeId


@dataclass(frozen=True)
class Journal:
    """The events of one turn. ``now`` is in Unix seconds, ``clock`` counts seconds from anywhere."""

    log: FeedbackLog
    turn: str
    task: str
    workspace: str
    client: str
    strategy: str
    model: str
    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    began: float = field(default_factory=time.monotonic)

    def requested(self, tree: TreeId, words: str) -> None:
        """The person asked for something, about this tree."""
        self._write(FeedbackKind.REQUESTED, tree, tree, words=words)

    def first_token(self, tree: TreeId) -> None:
        """The first piece of an answer came."""
        self._write(FeedbackKind.FIRST_TOKEN, tree, tree)

    def proposed(self, tree: TreeId, attempt: Attempt, suggestion: str, badge: Badge | None, repaired: int) -> None:
        """A proposal came to its end: as far as it came, a step each."""
        known: dict[str, Any] = {"suggestion": suggestion, "repaired": repaired, "tokens": attempt.reply_tokens}
        unread = attempt.outcome is Outcome.UNREADABLE
        self._write(
            FeedbackKind.PARSED, tree, tree, model=attempt.source, reason=attempt.reason if unread else "", **known
        )
        if unread:
            return
        result = attempt.result or tree
        known |= {"model": attempt.source, "rung": attempt.rung, "flags": attempt.flags}
        stuck = attempt.outcome in {Outcome.REFUSED, Outcome.UNCHANGED, Outcome.PROTECTED}
        self._write(FeedbackKind.APPLIED, tree, result, reason=attempt.reason if stuck else "", **known)
        if attempt.outcome is Outcome.JUDGED and badge is not None:
            self._write(FeedbackKind.VERIFIED, tree, result, badge=badge.value, reason=attempt.reason, **known)

    def ended(self, tree: TreeId, how: str) -> None:
        """The turn ended."""
        self._write(FeedbackKind.ENDED, tree, tree, reason=how)

    def person(self, kind: FeedbackKind, base: TreeId, result: TreeId, suggestion: str, **more: Any) -> None:
        """The person, or the editor for the person, did something with a suggestion."""
        self._write(kind, base, result, suggestion=suggestion, **more)

    def _write(self, kind: FeedbackKind, base: TreeId, result: TreeId, **more: Any) -> None:
        known = {"suggestion": "", "badge": "", "model": self.model} | more
        self.log.append(
            Feedback(
                time=self.now(),
                kind=kind,
                base=base,
                result=result,
                turn=self.turn,
                task=self.task,
                workspace=self.workspace,
                client=self.client,
                strategy=self.strategy,
                seconds=self.clock() - self.began,
                **known,
            )
        )
