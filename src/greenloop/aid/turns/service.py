"""Turns of all clients: begun, cancelled, explained; suggestions shown, handed over, refused, undone; conversations."""

import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from greenloop.aid.metrics.recording import Recording
from greenloop.aid.metrics.tracing import Tracer, TurnTrace
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Empty
from greenloop.aid.protocol.session import WorkspaceRef
from greenloop.aid.protocol.turns import (
    Conversation,
    ConversationRef,
    Explanation,
    Handover,
    Said,
    SuggestionAccept,
    SuggestionApplied,
    SuggestionRefuse,
    SuggestionShown,
    SuggestionUndone,
    TurnRef,
    TurnStart,
    TurnStarted,
)
from greenloop.aid.protocol.turns import (
    Conversations as ConversationList,
)
from greenloop.aid.service import Call, Handlers, Peer
from greenloop.aid.tools.approving import asking
from greenloop.aid.tools.for_models import Offer
from greenloop.aid.tools.toolbox import Toolbox
from greenloop.aid.turns.conversations import Conversations, checked
from greenloop.aid.turns.handover import Given, hand_over
from greenloop.aid.turns.journal import About, Journal, Told
from greenloop.aid.turns.presenting import Known
from greenloop.aid.turns.request import Asked
from greenloop.aid.turns.sent import explanation
from greenloop.aid.turns.turn import Turn
from greenloop.aid.workspaces.equipment import Equipment, Strategy
from greenloop.aid.workspaces.service import WorkspaceService
from greenloop.aid.workspaces.workspace import Workspace
from greenloop.builds.stop import Stop
from greenloop.records import EditError, Overloaded, Refused
from greenloop.records.funnel import Step
from greenloop.workspace.edits.reply_writer import render_reply

MOST_TURNS = 32
"""Turns at a time, of all clients together."""
_REMEMBERED = 200
"""Turns whose suggestions can still be accepted."""


@dataclass
class _Record:
    """A turn, while it runs and for a while after."""

    turn: Turn
    workspace: Workspace
    journal: Journal
    peer: Peer
    stop: Stop
    strategy: str
    model: str
    trace: TurnTrace
    running: bool = True
    handed: dict[str, set[str]] = field(default_factory=dict)
    """Suggestion → the hunks that were handed over."""
    noted: set[tuple[str, ...]] = field(default_factory=set)
    """What the person did and was written to the log already: twice counts once."""


class TurnService:
    """A ``Service``. ``folder`` is a folder of the sidecar's own in the home, kept over restarts."""

    def __init__(
        self,
        equipment: Equipment,
        workspaces: WorkspaceService,
        recording: Recording,
        folder: Path,
        tools: Callable[[str], Toolbox] | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        """``tools`` gives those of an open workspace, to be offered to models; it owns them. ``tracer`` makes spans."""
        self._tools = tools
        self._tracer = tracer
        self._equipment = equipment
        self._workspaces = workspaces
        self._recording = recording
        self._said = Conversations(folder / "conversations")
        self._lock = threading.Lock()
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._threads: set[threading.Thread] = set()
        self._given: dict[str, tuple[_Record, Known, Given]] = {}

    def handlers(self) -> Handlers:
        """Return what it serves."""
        table = Handlers()
        table.on(catalogue.TURN_START, self._on_start)
        table.on(catalogue.TURN_CANCEL, self._on_cancel)
        table.on(catalogue.TURN_EXPLAIN, self._on_explain)
        table.on(catalogue.SUGGESTION_SHOWN, self._on_shown)
        table.on(catalogue.SUGGESTION_ACCEPT, self._on_accept)
        table.on(catalogue.SUGGESTION_APPLIED, self._on_applied)
        table.on(catalogue.SUGGESTION_REFUSE, self._on_refuse)
        table.on(catalogue.SUGGESTION_UNDONE, self._on_undone)
        table.on(catalogue.CONVERSATION_LIST, self._on_list)
        table.on(catalogue.CONVERSATION_READ, lambda _call, params: self._read(params))
        return table

    def left(self, peer: Peer) -> None:
        """Cancel its turns."""
        with self._lock:
            for record in self._records.values():
                if record.peer is peer and record.running:
                    record.stop.request()

    def busy(self) -> bool:
        """Whether a turn runs."""
        with self._lock:
            return bool(self._threads)

    def close(self) -> None:
        """Cancel every turn, and wait for its end."""
        with self._lock:
            threads = list(self._threads)
            for record in self._records.values():
                if record.running:
                    record.stop.request()
        for thread in threads:
            thread.join()

    # -- turns

    def _on_start(self, call: Call, params: TurnStart) -> TurnStarted:
        workspace = self._workspaces.find(params.workspace)
        conversation = checked(params.conversation) if params.conversation else uuid.uuid4().hex[:12]
        strategy, trace = self._equipment.strategy(workspace.root, task=conversation), TurnTrace(self._tracer)
        if strategy.model is not None:
            strategy = replace(strategy, model=trace.model(strategy.model))
        model = strategy.model.name if strategy.model is not None else ""
        words = params.prompt.strip()
        kept = words if words and self._equipment.may_keep(words) else ""
        name = uuid.uuid4().hex[:12]
        asked = Asked(name, conversation, params, call.peer.encoding, self._said.earlier(workspace.name, conversation))
        told = Told(
            turn=name,
            task=conversation,
            client=call.peer.client,
            kind=params.kind,
            model=model,
            strategy=strategy.asking.value,
            context=strategy.name,
            arms=strategy.arms,
        )
        journal = Journal(self._recording, told, lambda: self._equipment.recorded_as(workspace.root))
        box = self._box(strategy, params.workspace)
        with self._lock:
            if len(self._threads) >= MOST_TURNS:
                raise Overloaded(f"{MOST_TURNS} turns run already", "wait for one to end, or cancel one")
            stop = Stop()
            turn = Turn(
                asked, workspace, strategy, self._equipment.store, journal, stop, call.peer.notify,
                words=kept, offer=_offer(box, strategy, call.peer, stop, name, trace),
            )  # fmt: skip
            record = _Record(turn, workspace, journal, call.peer, stop, strategy.name, model, trace)
            self._records[name] = record
            self._forget()
            thread = threading.Thread(target=self._run, args=(record,), name=f"greenloop-turn-{name}")
            self._threads.add(thread)
        thread.start()
        return TurnStarted(turn=name, conversation=conversation)

    def _box(self, strategy: Strategy, workspace: str) -> Toolbox | None:
        """Return the tools of a workspace, if the model takes some, and is to be offered some."""
        if self._tools is None or not strategy.tool_rounds or strategy.model is None or not strategy.model.takes_tools:
            return None
        return self._tools(workspace)

    def _run(self, record: _Record) -> None:
        began = time.time()
        try:
            with record.trace.running(record.turn.asked.params.kind, record.turn.asked.conversation):
                record.turn.run(lambda: self._keep(record, began))
        finally:
            with self._lock:
                record.running = False
                self._threads.discard(threading.current_thread())
                record.stop.close()

    def _keep(self, record: _Record, began: float) -> None:
        """Keep what was said: the person's words, and the best reply."""
        turn = record.turn
        if turn.suggestions is None:
            return
        best = turn.suggestions.order[0].attempt if turn.suggestions.order else None
        reply = (best.reply if best is not None else None) or ""
        if not reply and best is not None and best.edit is not None:
            try:
                reply = render_reply(best.edit)
            except EditError:
                reply = ""
        reply = reply or turn.text
        if not reply:
            return
        asked, where = turn.asked, (record.workspace.name, turn.asked.conversation)
        words = asked.params.prompt.strip() or "Fix the error."
        self._said.say(*where, Said(role="person", text=words, turn=asked.turn, time=began))
        self._said.say(*where, Said(role="greenloop", text=reply, turn=asked.turn, time=time.time()))

    def _forget(self) -> None:
        """Forget the oldest turns that have ended. Called with the lock held."""
        for name in [name for name, record in self._records.items() if not record.running][:-_REMEMBERED]:
            del self._records[name]
            self._given = {key: one for key, one in self._given.items() if one[0].turn.asked.turn != name}

    def _record(self, turn: str) -> _Record:
        with self._lock:
            found = self._records.get(turn)
        if found is None:
            raise Refused("unknown-turn", f"{turn}: no such turn is remembered", "ask again")
        return found

    def _on_cancel(self, _call: Call, params: TurnRef) -> Empty:
        record = self._record(params.turn)
        with self._lock:
            if record.running:
                record.stop.request()
        return Empty()

    def _on_explain(self, _call: Call, params: TurnRef) -> Explanation:
        record = self._record(params.turn)
        return explanation(params.turn, record.model, record.strategy, record.turn.sent, record.turn.talk)

    # -- what the person does

    def _known(self, turn: str, suggestion: str) -> tuple[_Record, Known]:
        record = self._record(turn)
        order = record.turn.suggestions.order if record.turn.suggestions is not None else ()
        found = next((known for known in order if known.id == suggestion), None)
        if found is None:
            raise Refused(
                "unknown-suggestion", f"{suggestion}: the turn has no such suggestion, yet or any more", "ask again"
            )
        return record, found

    def _once(self, record: _Record, *what: str) -> bool:
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
        if self._once(record, "refused", known.id, *hunks):
            record.journal.person(Step.REFUSED, _about(known, hunks))
        return Empty()

    def _on_accept(self, call: Call, params: SuggestionAccept) -> Handover:
        record, known = self._known(params.turn, params.suggestion)
        wanted = set(params.hunks if params.hunks is not None else _all_hunks(known))
        taken = record.turn.taken
        assert taken is not None
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
        try:
            given = hand_over(
                self._equipment.store, record.workspace, taken, known, params,
                acceptance=uuid.uuid4().hex[:12], encoding=call.peer.encoding, stop=call.stop,
            )  # fmt: skip
        except BaseException:
            with self._lock:
                handed -= held
            raise
        acceptance = given.handover.acceptance
        with self._lock:
            self._given[acceptance] = (record, known, given)
        record.journal.handed_over(self._given_about(known, given))
        return given.handover

    def _on_applied(self, _call: Call, params: SuggestionApplied) -> Empty:
        record, known, given = self._acceptance(params.acceptance)
        if not self._once(record, "applied", params.acceptance):
            return Empty()
        if params.applied:
            self._said.written(record.workspace.name, record.turn.asked.conversation, record.turn.asked.turn)
            record.workspace.saved(given.handover.files[0].path)
            record.journal.written(self._given_about(known, given))
        else:
            with self._lock:
                record.handed[known.id] -= {*given.hunks, "*"}
        return Empty()

    def _on_undone(self, _call: Call, params: SuggestionUndone) -> Empty:
        record, known, given = self._acceptance(params.acceptance)
        if self._once(record, "undone", params.acceptance):
            record.journal.person(Step.UNDONE, self._given_about(known, given))
        return Empty()

    def _acceptance(self, acceptance: str) -> tuple[_Record, Known, Given]:
        with self._lock:
            found = self._given.get(acceptance)
        if found is None:
            raise Refused("unknown-acceptance", f"{acceptance}: no such acceptance is remembered", "ask again")
        return found

    def _given_about(self, known: Known, given: Given) -> About:
        wanted = set(given.hunks)
        return replace(
            _about(known, wanted),
            base=given.base,
            result=given.result,
            badge=given.handover.badge,
            acceptance=given.handover.acceptance,
        )

    # -- conversations

    def _on_list(self, _call: Call, params: WorkspaceRef) -> ConversationList:
        workspace = self._workspaces.find(params.workspace)
        return ConversationList(conversations=self._said.all(workspace.name))

    def _read(self, params: ConversationRef) -> Conversation:
        return self._said.read(params.conversation)


def _offer(
    box: Toolbox | None, strategy: Strategy, peer: Peer, stop: Stop, turn: str, trace: TurnTrace
) -> Offer | None:
    if box is None:
        return None
    approve = asking(peer, stop, turn)
    return Offer(box, approve, strategy.tool_rounds, writes=peer.can_approve, span=trace.tool)


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
    return tuple(hunk.id for change in known.changes for hunk in change.hunks)
