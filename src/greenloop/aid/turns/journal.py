"""The one place that tells what becomes of a turn: each step as an event, for statistics and for mining."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from greenloop.aid.metrics.recording import Recording
from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.records import Badge, TreeId
from greenloop.records.funnel import FunnelEvent, Step, label


@dataclass(frozen=True, slots=True)
class Told:
    """What all events of a turn share; see ``FunnelEvent``."""

    turn: str
    task: str
    client: str = ""
    kind: str = ""
    model: str = ""
    strategy: str = ""
    context: str = ""
    arms: Mapping[str, str] = field(default_factory=dict)


class Journal:
    """The events of one turn. ``now`` is in Unix seconds, ``clock`` counts seconds from anywhere. Thread-safe.

    ``recorded_as`` gives the recorder's name for the workspace, or nothing. It reads the home, so it is asked with the
    first event: by then the request is on its way to the model.
    """

    def __init__(
        self,
        recording: Recording,
        told: Told,
        recorded_as: Callable[[], str] = str,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recording = recording
        self._told = told
        self._recorded_as = recorded_as
        self._now = now
        self._clock = clock
        self._began = clock()
        self._first: dict[str, float] = {}
        self._prompt_tokens = 0
        self._reply_tokens = 0

    def requested(self, tree: TreeId, words: str) -> None:
        """The person asked for something, about this tree. ``words`` is what may be kept of what they typed."""
        self._recording.note_with_words(self._event(Step.REQUESTED, base=tree), words)

    def first_token(self) -> None:
        """The first piece of an answer came."""
        self._reached("first_token_ms")

    def first_diff(self, badge: Badge) -> None:
        """A suggestion was told to the editor."""
        self._reached("first_diff_ms")
        if badge is not Badge.UNVERIFIED:
            self._reached("verified_ms")

    def proposed(self, attempt: Attempt, suggestion: str, badge: Badge | None) -> None:
        """A proposal came to its end: an event for each step that it reached."""
        self._prompt_tokens += attempt.prompt_tokens
        self._reply_tokens += attempt.reply_tokens
        known: dict[str, Any] = {"suggestion": suggestion, "model": label(attempt.source)}
        read = attempt.outcome is not Outcome.UNREADABLE
        self._note(Step.PROPOSED, fault="" if read else label(attempt.reason), **known)
        if not read:
            return
        applied = attempt.outcome not in {Outcome.REFUSED, Outcome.UNCHANGED, Outcome.PROTECTED}
        self._note(Step.PARSED, fault="" if applied else label(attempt.reason), **known)
        if not applied:
            return
        known["rung"] = None if attempt.rung is None else int(attempt.rung)
        self._note(Step.APPLIED, **known)
        if attempt.outcome is Outcome.JUDGED and badge is not None:
            self._note(Step.VERIFIED, badge=label_of(badge), fault=label(attempt.reason), **known)

    def ended(self, outcome: str, fault: str = "") -> None:
        """The turn ended: ``done``, ``cancelled`` or ``failed``, then with the name of a fault."""
        self._note(
            Step.ENDED,
            outcome=outcome,
            fault=label(fault),
            prompt_tokens=self._prompt_tokens,
            reply_tokens=self._reply_tokens,
            total_ms=self._elapsed(),
            **self._first,
        )

    def person(self, step: Step, about: "About") -> None:
        """The person, or the editor for the person, did something with a suggestion."""
        self._recording.note(self._about(step, about))

    def handed_over(self, about: "About") -> None:
        """Hunks were handed to the editor: from now on they are no person's work, written or not."""
        self._recording.remember(self._about(Step.ACCEPTED, about))

    def written(self, about: "About") -> None:
        """The editor wrote what it was handed: only now it counts as accepted."""
        self._recording.count(self._about(Step.ACCEPTED, about))

    @cached_property
    def _workspace(self) -> str:
        return label(self._recorded_as())

    def _about(self, step: Step, about: "About") -> FunnelEvent:
        return self._event(
            step,
            suggestion=about.suggestion,
            acceptance=about.acceptance,
            model=label(about.model),
            badge=label_of(about.badge),
            hunks=about.hunks,
            of_hunks=about.of_hunks,
            characters=about.characters,
            base=about.base,
            result=about.result,
        )

    def _reached(self, moment: str) -> None:
        self._first.setdefault(moment, self._elapsed())

    def _elapsed(self) -> float:
        return round(1000 * (self._clock() - self._began), 3)

    def _note(self, step: Step, **known: Any) -> None:
        self._recording.note(self._event(step, **known))

    def _event(self, step: Step, **known: Any) -> FunnelEvent:
        told = self._told
        shared = {
            "turn": told.turn,
            "task": told.task,
            "workspace": self._workspace,
            "client": label(told.client),
            "kind": told.kind,
            "model": label(told.model),
            "strategy": label(told.strategy),
            "context": label(told.context),
            "arms": dict(told.arms),
        }
        return FunnelEvent(time=self._now(), step=step, **{**shared, **known})


@dataclass(frozen=True, slots=True)
class About:
    """What a person's step is about. ``hunks`` of ``of_hunks`` are meant; ``characters`` counts their new text."""

    suggestion: str
    base: TreeId
    result: TreeId
    badge: Badge
    model: str
    hunks: int
    of_hunks: int
    characters: int = 0
    acceptance: str = ""


def label_of(badge: Badge) -> str:
    """Return a badge as a label, which has no blank."""
    return badge.value.replace(" ", "-")
