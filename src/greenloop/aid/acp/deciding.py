"""What the person does with a suggestion: each file permitted or refused, then written as the sidecar hands it over."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from acp.helpers import SessionUpdate, text_block, tool_content, update_agent_message_text, update_tool_call
from acp.interfaces import Client
from acp.schema import AllowedOutcome, ToolCallStart, ToolCallStatus, ToolCallUpdate

from greenloop.aid.acp.files import Files
from greenloop.aid.acp.showing import ALLOW, OPTIONS, tool_call
from greenloop.aid.acp.sidecar import Sidecar
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.turns import (
    FileChange,
    Handover,
    Proposed,
    SuggestionAccept,
    SuggestionApplied,
    SuggestionRefuse,
    SuggestionShown,
)
from greenloop.records import GreenloopError


@dataclass(frozen=True)
class Asked:
    """A suggestion of a turn, and the texts that it was asked about (path → text; ``None``: there is none)."""

    turn: str
    workspace: str
    root: str
    suggestion: Proposed
    bases: dict[str, str | None]


@dataclass
class Decision:
    """One suggestion before the person. ``cancelled`` is set when the person takes the prompt back."""

    client: Client
    session: str
    sidecar: Sidecar
    files: Files
    cancelled: asyncio.Event
    asked: Asked
    calls: dict[str, str] = field(default_factory=dict)
    """Path → the name of its tool call."""

    async def take(self) -> None:
        """Ask about each file, and write what was permitted. Afterwards each tool call is completed or failed."""
        suggestion = self.asked.suggestion
        await self.sidecar.call(
            catalogue.SUGGESTION_SHOWN, SuggestionShown(turn=self.asked.turn, suggestion=suggestion.id)
        )
        wanted: list[FileChange] = []
        for number, change in enumerate(suggestion.files, 1):
            name = f"{self.asked.turn}-{suggestion.id}-{number}"
            self.calls[change.path] = name
            shown = tool_call(name, suggestion, change, self.asked.bases.get(change.path), self.asked.root)
            await self._update(shown)
            if await self._permitted(shown):
                wanted.append(change)
            if self.cancelled.is_set():
                await self._all(suggestion.files, "failed", "cancelled: nothing was written")
                return
        refused = [change for change in suggestion.files if change not in wanted]
        if refused:
            await self._refuse(refused, everything=not wanted)
        if wanted:
            await self._accept(wanted, everything=not refused)

    async def _accept(self, wanted: Sequence[FileChange], *, everything: bool) -> None:
        asked = self.asked
        try:
            handover = await self.sidecar.call(
                catalogue.SUGGESTION_ACCEPT,
                SuggestionAccept(
                    turn=asked.turn,
                    suggestion=asked.suggestion.id,
                    hunks=None if everything else tuple(hunk.id for change in wanted for hunk in change.hunks),
                    buffers=tuple([buffer for change in wanted if (buffer := await self.files.buffer(change.path))]),
                ),
            )
        except GreenloopError as error:
            await self._all(wanted, "failed", f"not written: {error}")
            await self._say(f"Not written: {error}.")
            return
        note = await self._write(wanted, handover)
        await self.sidecar.call(
            catalogue.SUGGESTION_APPLIED,
            SuggestionApplied(acceptance=handover.acceptance, applied=not note, note=note),
        )
        if note:
            await self._all(wanted, "failed", f"not written: {note}")
            await self._say(f"Not written: {note}.")
            return
        for file in handover.files:
            self.sidecar.saved(asked.workspace, file.path)
        await self._all(wanted, "completed")
        await self._say(f"Written: {', '.join(file.path for file in handover.files)} [{handover.label}].")

    async def _write(self, wanted: Sequence[FileChange], handover: Handover) -> str:
        """Write what was handed over; return why not, empty when all of it lies where it belongs."""
        if handover.label != self.asked.suggestion.label and not await self._permitted_again(handover):
            return f"with what was accepted the badge is another one, {handover.label}, and this was refused"
        await self._all(wanted, "in_progress")
        try:
            await self.files.write(handover.files)
        except GreenloopError as error:
            return str(error)
        return ""

    async def _permitted_again(self, handover: Handover) -> bool:
        """Ask once more: what was accepted is judged otherwise than what was shown."""
        why = "the text had changed meanwhile" if handover.rebased else "only a part of the suggestion was accepted"
        shown = ToolCallStart(
            session_update="tool_call",
            tool_call_id=f"{handover.acceptance}-again",
            title=f"Write {', '.join(file.path for file in handover.files)} [{handover.label}]",
            kind="edit",
            status="pending",
            content=[tool_content(text_block(f"The badge is another one now, since {why}: {handover.label}."))],
        )
        await self._update(shown)
        permitted = await self._permitted(shown) and not self.cancelled.is_set()
        await self._update(update_tool_call(shown.tool_call_id, status="completed" if permitted else "failed"))
        return permitted

    async def _refuse(self, refused: Sequence[FileChange], *, everything: bool) -> None:
        hunks = tuple(hunk.id for change in refused for hunk in change.hunks)
        if everything or hunks:
            await self.sidecar.call(
                catalogue.SUGGESTION_REFUSE,
                SuggestionRefuse(
                    turn=self.asked.turn, suggestion=self.asked.suggestion.id, hunks=None if everything else hunks
                ),
            )
        await self._all(refused, "failed", "refused")

    async def _permitted(self, shown: ToolCallStart) -> bool:
        call = ToolCallUpdate(
            tool_call_id=shown.tool_call_id,
            title=shown.title,
            kind=shown.kind,
            status=shown.status,
            content=shown.content,
            locations=shown.locations,
        )
        asking = asyncio.ensure_future(
            self.client.request_permission(session_id=self.session, tool_call=call, options=list(OPTIONS))
        )
        # a client has to answer `cancelled` itself; one that forgets does not hold the prompt back
        stopping = asyncio.ensure_future(self.cancelled.wait())
        try:
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                return False
            outcome = asking.result().outcome
        finally:
            asking.cancel()
            stopping.cancel()
        return isinstance(outcome, AllowedOutcome) and outcome.option_id == ALLOW

    async def _all(self, changes: Sequence[FileChange], status: ToolCallStatus, why: str = "") -> None:
        for change in changes:
            name = self.calls.get(change.path)
            if name is not None:
                said = [tool_content(text_block(why))] if why else None
                # what is not named stays as it is shown: the diff of a file that was written
                await self._update(update_tool_call(name, status=status, content=said))

    async def _say(self, text: str) -> None:
        await self._update(update_agent_message_text(f"\n\n{text}"))

    async def _update(self, update: SessionUpdate) -> None:
        await self.client.session_update(session_id=self.session, update=update)
