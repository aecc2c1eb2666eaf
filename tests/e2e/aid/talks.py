"""Two ways to speak with the sidecar: Greenloop's own client on the socket, and an editor that started a process."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from tests.e2e.aid.conftest import GENEROUS

from greenloop.aid.client.client import Client
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Message
from greenloop.aid.protocol.catalogue import NEWS, Method
from greenloop.aid.protocol.session import Initialize
from greenloop.aid.protocol.turns import Proposed, TurnCandidate, TurnEnded, TurnStart
from greenloop.aid.wire import messages
from greenloop.aid.wire.messages import Answer, Notice
from greenloop.cli.aid_place import reached
from greenloop.cli.app import App

P = TypeVar("P", bound=Message)
R = TypeVar("R", bound=Message)


class Talk(AbstractContextManager["Talk"], Protocol):
    """A connection that is made once, whatever becomes of the sidecar."""

    news: "queue.Queue[Message]"

    def call(self, method: Method[P, R], params: P) -> R:
        """Ask, and wait for the answer."""
        ...


def until(talk: Talk, found: Callable[[Any], bool]) -> list[Any]:
    """Return the news up to the first that is wanted."""
    seen: list[Any] = []
    while not seen or not found(seen[-1]):
        seen.append(talk.news.get(timeout=GENEROUS))
    return seen


def turn(talk: Talk, start: TurnStart) -> tuple[TurnEnded, dict[str, Proposed], list[Any]]:
    """Make a turn: how it ended, what is known last of each suggestion, and all that was said."""
    name = talk.call(catalogue.TURN_START, start).turn
    seen = until(talk, lambda news: isinstance(news, TurnEnded) and news.turn == name)
    return seen[-1], {one.suggestion.id: one.suggestion for one in seen if isinstance(one, TurnCandidate)}, seen


class OnSocket:
    """Greenloop's client for Python."""

    def __init__(self, app: App) -> None:
        self.news: queue.Queue[Message] = queue.Queue()
        self._client = Client(lambda: reached(app), "journey")

    def call(self, method: Method[P, R], params: P) -> R:
        return self._client.call(method, params, GENEROUS)

    def __enter__(self) -> Self:
        self._client.__enter__()
        self._client.listen(lambda _name, params: self.news.put(params))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()


class OnStdio:
    """An editor that knows frames and JSON, before ``greenloop aid connect``."""

    def __init__(self, app: App) -> None:
        self.news: queue.Queue[Message] = queue.Queue()
        self._answers: queue.Queue[Answer] = queue.Queue()
        command = [sys.executable, "-m", "greenloop", "--home", str(app.home.path), "aid", "connect"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read)
        self._number = 0

    def call(self, method: Method[P, R], params: P) -> R:
        self._number += 1
        assert self._process.stdin is not None
        request = {
            "jsonrpc": "2.0",
            "id": self._number,
            "method": method.name,
            "params": params.model_dump(mode="json"),
        }
        body = json.dumps(request).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()
        answer = self._answers.get(timeout=GENEROUS)
        assert (answer.id, answer.fault) == (self._number, None)
        return messages.read(method.result, answer.result, method.name)

    def __enter__(self) -> Self:
        self._reader.start()
        self.call(catalogue.INITIALIZE, Initialize(client="journey"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._reader.join(GENEROUS)
        # it is the process that was started first, and ends with its editor alone
        assert self._process.wait(GENEROUS) == 0
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while header := self._process.stdout.readline():
            self._process.stdout.readline()
            found = messages.parse(self._process.stdout.read(int(header.split()[1])))
            if isinstance(found, Answer):
                self._answers.put(found)
            elif isinstance(found, Notice) and (kind := NEWS.get(found.method)) is not None:
                self.news.put(messages.read(kind.params, found.params, found.method))
