"""What the person does with suggestions: shown, accepted, refused, undone. A hunk is handed over once."""

import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Empty
from greenloop.aid.protocol.turns import (
    Handover,
    SuggestionAccept,
    SuggestionApplied,
    SuggestionRefuse,
    SuggestionShown,
    SuggestionUndone,
)
from greenloop.aid.service import Call, Handlers
from greenloop.aid.turns.conversations import Conversations
from greenloop.aid.turns.handover import Ground, hand_over
from greenloop.aid.turns.journal import About, Journal
from greenloop.aid.turns.presenting import Known
from greenloop.aid.turns.shelf import Accepted
from greenloop.aid.workspaces.workspace import Workspace
from greenloop.records import Refused
from greenloop.records.funnel import Step
from greenloop.workspace.store import TreeStore


@dataclass
class Decidable:
    """A turn about whose suggestions a person may decide: one of this sidecar, or of one before."""

    turn: str
    conversation: str
    workspace: Workspace
    journal: Journal
    ground: Callable[[], Ground]
    order: Callable[[], tuple[Known, ...]]
    """Its suggestions by now, best first."""
    keep: Callable[[], None] = lambda: None
    """Keeps what was handed over, before it is: no restart must hand a hunk over again."""
    handed: dict[str, set[str]] = field(default_factory=dict)
    """Suggestion → the hunks that were handed over."""
    given: dict[str, Accepted] = field(default_factory=dict)
    """Acceptances, by name."""
    noted: set[tuple[str, ...]] = field(default_factory=set)
    """What the person did and was written to the log already: twice counts once."""


class Decisions:
    """Serves ``suggestion/…``. ``find`` gives the turn with a name; it raises ``Refused`` (``unknown-turn``)."""

    def __init__(self, store: Callable[[], TreeStore], said: Conversations, find: Callable[[str], Decidable]) -> None:
        self._store = store
        self._said = said
        self._find = find
        self._lock = threading.Lock()

    def handlers(self) -> Handlers:
        """Return what it serves."""
        table = Handlers()
        table.on(catalogue.SUGGESTION_SHOWN, self._on_shown)
        table.on(catalogue.SUGGESTION_ACCEPT, self._on_accept)
        table.on(catalogue.SUGGESTION_APPLIED, self._on_applied)
        table.on(catalogue.SUGGESTION_REFUSE, self._on_refuse)
        table.on(catalogue.SUGGESTION_UNDONE, self._on_undone)
        return table

    def _known(self, turn: str, suggestion: str) -> tuple[Decidable, Known]:
        record = self._find(turn)
        found = next((known for known in record.order() if known.id == suggestion), None)
        if found is None:
            raise Refused(
                "unknown-suggestion", f"{suggestion}: the turn has no such suggestion, yet or any more", "ask again"
            )
        return record, found

    def _once(self, record: Decidable, *what: str) -> bool:
        """Say whether something is done for the first time."""
        with self._lock:
            fresh = what not in record.noted
            record.noted.add(what)
            return fresh

    def _on_shown(self, _call: Call, params: SuggestionShown) -> Empty:
        record, known = self._known(params.turn, params.suggestion)
        if self._once(record, "shown", known.id):
            record.journal.person(Step.SHOWN, _about(known, _all_hunks(known)))
        return Empty()

    def _on_refuse(self, _call: Call, params: SuggestionRefuse) -> Empty:
        record, known = self._known(params.turn, params.suggestion)
        hunks = tuple(params.hunks) if params.hunks is not None else _all_hunks(known)
        if strange := sorted(set(hunks) - set(_all_hunks(known))):
            raise Refused("no-hunk", f"the suggestion has no hunk {strange[0]!r}", "name hunks that it has")
        if self._once(record, "refused", known.id, *hunks):
            record.journal.person(Step.REFUSED, _about(known, hunks))
        return Empty()

    def _on_accept(self, call: Call, params: SuggestionAccept) -> Handover:
        record, known = self._known(params.turn, params.suggestion)
        wanted = set(params.hunks if params.hunks is not None else _all_hunks(known))
        with self._lock:
            handed = record.handed.setdefault(known.id, set())
            if handed & wanted or (params.hunks is None and "*" in handed):
                raise Refused(
                    "already-accepted",
                    f"hunk {', '.join(sorted(handed & wanted)) or 'all'}: handed over before",
                    "say `suggestion/applied` with `applied` false where it was not written",
                )
            held = wanted | ({"*"} if params.hunks is None else set())
            handed |= held
        # its name begins with the turn's, by which it is found after a restart
        name = f"{record.turn}-{uuid.uuid4().hex[:12]}"
        try:
            given = hand_over(
                self._store(), record.workspace, record.ground(), known, params,
                acceptance=name, encoding=call.peer.encoding, stop=call.stop,
            )  # fmt: skip
            accepted = Accepted(
                suggestion=known.id,
                hunks=given.hunks,
                path=given.handover.files[0].path,
                base=given.base,
                result=given.result,
                badge=given.handover.badge,
            )
            with self._lock:
                record.given[name] = accepted
            record.keep()
        except BaseException:
            with self._lock:
                handed -= held
                record.given.pop(name, None)
            raise
        record.journal.handed_over(_about_acceptance(known, name, accepted))
        return given.handover

    def _on_applied(self, _call: Call, params: SuggestionApplied) -> Empty:
        record, known, accepted = self._acceptance(params.acceptance)
        if not self._moves(record, params.acceptance, "written" if params.applied else "released", once_it_is="handed"):
            return Empty()
        if params.applied:
            self._said.written(record.workspace.name, record.conversation, record.turn)
            record.workspace.saved(accepted.path)
            record.journal.written(_about_acceptance(known, params.acceptance, accepted))
        record.keep()
        return Empty()

    def _on_undone(self, _call: Call, params: SuggestionUndone) -> Empty:
        record, known, accepted = self._acceptance(params.acceptance)
        if self._moves(record, params.acceptance, "released", once_it_is="written"):
            record.journal.person(Step.UNDONE, _about_acceptance(known, params.acceptance, accepted))
            record.keep()
        return Empty()

    def _moves(self, record: Decidable, name: str, to: Literal["written", "released"], *, once_it_is: str) -> bool:
        """Note what the editor made of an acceptance, and say whether that is news.

        Released hunks can be accepted again: they do not stand in the workspace.
        """
        with self._lock:
            accepted = record.given[name]
            if accepted.state != once_it_is:
                return False
            record.given[name] = accepted.model_copy(update={"state": to})
            if to == "released":
                record.handed[accepted.suggestion] -= {*accepted.hunks, "*"}
        return True

    def _acceptance(self, name: str) -> tuple[Decidable, Known, Accepted]:
        """Return an acceptance, its turn and its suggestion, of this sidecar or of one before."""
        try:
            record = self._find(name.partition("-")[0])
        except Refused as refused:
            if refused.code != "unknown-turn":
                raise
            raise _unknown_acceptance(name) from None
        with self._lock:
            accepted = record.given.get(name)
        if accepted is None:
            raise _unknown_acceptance(name)
        _, known = self._known(record.turn, accepted.suggestion)
        return record, known, accepted


def _unknown_acceptance(name: str) -> Refused:
    return Refused("unknown-acceptance", f"{name}: no such acceptance is remembered", "ask again")


def _about_acceptance(known: Known, name: str, accepted: Accepted) -> About:
    return replace(
        _about(known, accepted.hunks),
        base=accepted.base,
        result=accepted.result,
        badge=accepted.badge,
        acceptance=name,
    )


def _about(known: Known, hunks: Iterable[str]) -> About:
    """Return what a step on these hunks of a suggestion is about."""
    wanted = set(hunks)
    texts = [hunk.new for change in known.changes for hunk in change.hunks if hunk.id in wanted]
    return About(
        suggestion=known.id,
        base=known.base,
        result=known.attempt.result or known.base,
        badge=known.badge,
        model=known.attempt.source,
        hunks=len(texts),
        of_hunks=known.hunks,
        characters=sum(map(len, texts)),
    )


def _all_hunks(known: Known) -> tuple[str, ...]:
    return tuple(one for change in known.changes for one in change.ids)
