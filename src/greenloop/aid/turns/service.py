"""Turns of all clients: begun, cancelled, explained; suggestions shown, handed over, refused, undone; conversations."""

import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
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
    Said,
    TurnExplain,
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
from greenloop.aid.turns.decisions import Decidable, Decisions
from greenloop.aid.turns.journal import Journal, Told
from greenloop.aid.turns.request import Asked
from greenloop.aid.turns.sent import explanation
from greenloop.aid.turns.shelf import Shelf
from greenloop.aid.turns.shelving import restored, shelved
from greenloop.aid.turns.turn import Turn
from greenloop.aid.workspaces.equipment import Equipment, Strategy
from greenloop.aid.workspaces.service import WorkspaceService
from greenloop.aid.workspaces.workspace import Workspace
from greenloop.builds.stop import Stop
from greenloop.records import EditError, GreenloopError, Overloaded, Refused
from greenloop.workspace.edits.reply_writer import render_reply

_log = logging.getLogger(__name__)

MOST_TURNS = 32
"""Turns at a time, of all clients together."""
_REMEMBERED = 200
"""Turns whose suggestions can still be accepted."""


@dataclass
class _Record:
    """A turn, while it runs and for a while after."""

    turn: Turn
    workspace: Workspace
    peer: Peer
    stop: Stop
    strategy: str
    model: str
    trace: TurnTrace
    told: Told
    decidable: Decidable
    running: bool = True


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
        self._shelf = Shelf(folder / "turns")
        self._decisions = Decisions(lambda: equipment.store, self._said, self._decidable)
        self._restored: OrderedDict[str, Decidable] = OrderedDict()

    def handlers(self) -> Handlers:
        """Return what it serves."""
        table = Handlers()
        table.on(catalogue.TURN_START, self._on_start)
        table.on(catalogue.TURN_CANCEL, self._on_cancel)
        table.on(catalogue.TURN_EXPLAIN, self._on_explain)
        table.on(catalogue.CONVERSATION_LIST, self._on_list)
        table.on(catalogue.CONVERSATION_READ, lambda _call, params: self._read(params))
        table.add(self._decisions.handlers())
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
            decidable = Decidable(name, conversation, workspace, journal, turn.ground, turn.order)
            record = _Record(turn, workspace, call.peer, stop, strategy.name, model, trace, told, decidable)
            decidable.keep = lambda: self._put_on_shelf(record)
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
        try:
            self._put_on_shelf(record)
        except GreenloopError as error:
            _log.warning("turn %s cannot be accepted after a restart: %s", record.told.turn, error)

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
        gone = [name for name, record in self._records.items() if not record.running][:-_REMEMBERED]
        for name in gone:
            del self._records[name]

    def _put_on_shelf(self, record: _Record) -> None:
        """Keep over a restart what can be decided about a turn, if there is anything."""
        turn = record.turn
        if turn.order():
            self._shelf.put(
                lambda: shelved(record.told, record.workspace.name, turn.ground(), turn.order(), record.decidable)
            )

    def _decidable(self, turn: str) -> Decidable:
        """Return a turn of this sidecar, or of one before. Raises ``Refused`` (``unknown-turn``)."""
        with self._lock:
            found = self._records.get(turn)
            known = found.decidable if found is not None else self._restored.get(turn)
        if known is not None:
            return known
        kept = self._shelf.find(turn)
        if kept is None:
            raise _unknown(turn)
        workspace = self._workspaces.find(kept.workspace)
        made = restored(
            kept, self._shelf, self._equipment.store, workspace, self._recording,
            lambda: self._equipment.recorded_as(workspace.root),
        )  # fmt: skip
        with self._lock:
            # of two requests that come at once, both decide about the same
            found_first = self._restored.setdefault(turn, made)
            old = list(self._restored)[:-_REMEMBERED]
            for name in old:
                del self._restored[name]
        return found_first

    def _record(self, turn: str) -> _Record:
        with self._lock:
            found = self._records.get(turn)
        if found is None:
            raise _unknown(turn)
        return found

    def _newest(self) -> _Record:
        with self._lock:
            found = next(reversed(self._records.values()), None)
        if found is None:
            raise Refused("unknown-turn", "no turn was made since the sidecar was started", "ask for something first")
        return found

    def _on_cancel(self, _call: Call, params: TurnRef) -> Empty:
        record = self._record(params.turn)
        with self._lock:
            if record.running:
                record.stop.request()
        return Empty()

    def _on_explain(self, _call: Call, params: TurnExplain) -> Explanation:
        record = self._record(params.turn) if params.turn else self._newest()
        return explanation(record.told.turn, record.model, record.strategy, *record.turn.sent)

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


def _unknown(turn: str) -> Refused:
    return Refused("unknown-turn", f"{turn}: no such turn is remembered", "ask again")
