"""The sidecar's client, which is made of threads, for the one event loop that ACP's connection runs in."""

import asyncio
import threading
from collections.abc import AsyncIterator

from greenloop.aid.client.client import Client
from greenloop.aid.protocol.base import Message
from greenloop.aid.protocol.catalogue import FILE_SAVED, Method, P, R
from greenloop.aid.protocol.session import FileSaved
from greenloop.aid.protocol.turns import TurnEnded, TurnStart
from greenloop.records import GreenloopError


class Sidecar:
    """Calls without blocking the loop."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, method: Method[P, R], params: P) -> R:
        """Ask, and wait for the answer. Raises ``Refused`` with the fault's code."""
        return await asyncio.to_thread(self._client.call, method, params)

    def saved(self, workspace: str, path: str) -> None:
        """Hint that a file was written."""
        self._client.tell(FILE_SAVED, FileSaved(workspace=workspace, path=path))

    async def turn(self, params: TurnStart) -> AsyncIterator[Message]:
        """Start a turn, and yield ``TurnStarted`` and then its news; the last is ``TurnEnded``. Raises as ``call``."""
        loop = asyncio.get_running_loop()
        news: asyncio.Queue[Message | GreenloopError] = asyncio.Queue()

        def pump() -> None:
            try:
                for said in self._client.turn(params):
                    loop.call_soon_threadsafe(news.put_nowait, said)
            except GreenloopError as error:
                loop.call_soon_threadsafe(news.put_nowait, error)

        # a daemon: when the editor goes in the middle of a turn, nobody tells this thread of its end
        threading.Thread(target=pump, name="acp turn", daemon=True).start()
        while True:
            said = await news.get()
            if isinstance(said, GreenloopError):
                raise said
            yield said
            if isinstance(said, TurnEnded):
                return
