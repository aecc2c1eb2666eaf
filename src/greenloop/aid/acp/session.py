"""A session: one workspace, one conversation, one prompt at a time."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from acp.helpers import ContentBlock, update_agent_message_text, update_agent_thought_text
from acp.interfaces import Client
from acp.schema import FileSystemCapabilities, StopReason

from greenloop.aid.acp.deciding import Asked, Decision
from greenloop.aid.acp.files import Files
from greenloop.aid.acp.showing import plan
from greenloop.aid.acp.sidecar import Sidecar
from greenloop.aid.acp.wish import Wish, wish_of
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.session import BuildState, Status, WorkspaceOpen, WorkspaceRef, WorkspaceState
from greenloop.aid.protocol.turns import (
    Buffer,
    Outcome,
    Place,
    Proposed,
    TurnCandidate,
    TurnDelta,
    TurnEnded,
    TurnProgress,
    TurnRef,
    TurnStart,
    TurnStarted,
)
from greenloop.records import EnvironmentFault, Refused
from greenloop.workspace.store import TreeStore

_MOST_FILES = 20
"""So many files with errors are asked of the client, so that the turn knows what is unsaved in them."""
_PATIENCE, _MOMENT = 20.0, 0.1
"""Seconds in which the first check of a workspace may tell which files these are, and between two looks."""


class Session:
    """Serves the prompts of one ACP session."""

    def __init__(
        self,
        name: str,
        folder: str,
        client: Client,
        able: FileSystemCapabilities,
        sidecar: Sidecar,
        store: Callable[[], TreeStore],
        notes: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._folder = folder
        self._client = client
        self._able = able
        self._sidecar = sidecar
        self._store = store
        self._notes = list(notes)
        """What the person has to know, said with the first prompt: before, a client does not know the session yet."""
        self._conversation = ""
        self._turn = ""
        self._busy = False
        self._cancelled = asyncio.Event()

    async def open(self) -> WorkspaceState:
        """Open the workspace that the folder lies in, or see again whether it is trusted. Raises as ``call``."""
        return await self._sidecar.call(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=self._folder))

    async def cancel(self) -> None:
        """Take the running prompt back, if there is one."""
        if not self._busy:
            return
        self._cancelled.set()
        if self._turn:
            # it may have ended just now
            with suppress(Refused):
                await self._sidecar.call(catalogue.TURN_CANCEL, TurnRef(turn=self._turn))

    async def prompt(self, blocks: Sequence[ContentBlock]) -> StopReason:
        """Answer a prompt. Raises ``Refused`` (``busy``, a turn's fault) and as ``Sidecar.call``."""
        if self._busy:
            raise Refused("busy", f"session {self.name} answers a prompt already", "wait for its end, or cancel it")
        self._busy = True
        self._cancelled.clear()
        try:
            await self._answer(blocks)
        finally:
            self._busy, self._turn = False, ""
        return "cancelled" if self._cancelled.is_set() else "end_turn"

    async def _answer(self, blocks: Sequence[ContentBlock]) -> None:
        opened = await self.open()
        root = Path(opened.root)
        wish = wish_of(blocks, root)
        files = Files(self._client, self.name, root, self._able, self._store)
        notes = [*self._notes, *wish.left_out]
        self._notes.clear()
        if not opened.trusted:
            notes.append(
                f"{opened.root} is not trusted: nothing of it is built, so nothing can be verified. "
                "`greenloop aid trust` in that folder changes this"
            )
        buffers, unread = await self._buffers(wish, opened.workspace, files)
        for note in (*notes, *unread):
            await self._say(f"{note}.\n\n")
        start = TurnStart(
            workspace=opened.workspace,
            kind=wish.kind,
            prompt=wish.text,
            place=next((Place(path=path) for path in wish.files), None),
            buffers=buffers,
            conversation=self._conversation,
        )
        best = await self._run(start)
        if best is None or self._cancelled.is_set():
            return
        unsaved = {buffer.path: buffer.text for buffer in buffers}
        bases = {
            change.path: unsaved[change.path] if change.path in unsaved else files.on_disk(change.path)
            for change in best.files
        }
        asked = Asked(self._turn, opened.workspace, opened.root, best, bases)
        await Decision(self._client, self.name, self._sidecar, files, self._cancelled, asked).take()

    async def _buffers(self, wish: Wish, workspace: str, files: Files) -> tuple[tuple[Buffer, ...], tuple[str, ...]]:
        """Return what the client holds otherwise than the disk, of the files that the turn is likely about.

        ACP has no list of what is unsaved: so it is asked for each file that the prompt names, and for those with
        errors. Also returned, in words: what it did not give.
        """
        status = await self._status(wish, workspace)
        wrong = dict.fromkeys(problem.path for problem in status.problems if problem.path is not None)
        found: list[Buffer] = []
        unread: list[str] = []
        for path in dict.fromkeys((*wish.files, *list(wrong)[:_MOST_FILES])):
            if ".." in PurePosixPath(path).parts:
                continue
            try:
                buffer = await files.buffer(path, wish.files.get(path))
            except EnvironmentFault as error:
                unread.append(f"{error.message}; what lies on the disk is taken")
                continue
            if buffer is not None:
                found.append(buffer)
        return tuple(found), tuple(unread)

    async def _status(self, wish: Wish, workspace: str) -> Status:
        """Return the build status; who wants an error fixed waits until it is known, as the turn would."""
        last = time.monotonic() + _PATIENCE
        while True:
            status = await self._sidecar.call(catalogue.STATUS_GET, WorkspaceRef(workspace=workspace))
            known = status.state not in (BuildState.UNKNOWN, BuildState.CHECKING)
            if known or wish.kind != "fix" or self._cancelled.is_set() or time.monotonic() > last:
                return status
            await asyncio.sleep(_MOMENT)

    async def _run(self, start: TurnStart) -> Proposed | None:
        """Run a turn, and tell of it; return the best suggestion. Raises ``Refused`` when it failed."""
        shown: dict[str, Proposed] = {}
        stages: list[TurnProgress] = []
        async for news in self._sidecar.turn(start):
            match news:
                case TurnStarted():
                    self._turn, self._conversation = news.turn, news.conversation
                    if self._cancelled.is_set():
                        await self.cancel()
                case TurnProgress():
                    stages.append(news)
                    await self._client.session_update(session_id=self.name, update=plan(stages, ended=False))
                case TurnDelta():
                    # it is judged by nobody yet, so it is no message
                    await self._client.session_update(session_id=self.name, update=update_agent_thought_text(news.text))
                case TurnCandidate():
                    shown[news.suggestion.id] = news.suggestion
                case TurnEnded():
                    await self._client.session_update(session_id=self.name, update=plan(stages, ended=True))
                    return await self._ended(news, shown)
        raise AssertionError("a turn's news end with turn/ended")

    async def _ended(self, ended: TurnEnded, shown: dict[str, Proposed]) -> Proposed | None:
        if ended.outcome is Outcome.CANCELLED:
            self._cancelled.set()
            return None
        if ended.outcome is Outcome.FAILED:
            fault = ended.fault
            assert fault is not None, "a turn that failed says why"
            raise Refused(fault.code, fault.message, fault.way_out)
        for text in filter(None, (ended.text, ended.summary)):
            await self._say(f"{text}\n\n")
        return shown.get(ended.order[0]) if ended.order else None

    async def _say(self, text: str) -> None:
        await self._client.session_update(session_id=self.name, update=update_agent_message_text(text))
