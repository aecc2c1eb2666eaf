"""What the door calls: handlers by method, put together from parts, and the client that a request came from.

A part of the sidecar (turns, tools, conversations) is a ``Service``: it says which methods it serves and with what. The
door runs every handler in a thread of its own, several at a time also for one client; answers may overtake each other.
``greenloop.aid.scripted`` has the fakes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from greenloop.aid.protocol.base import Encoding
from greenloop.aid.protocol.catalogue import Method, Notification, P, R
from greenloop.builds.stop import Stop


class Peer(Protocol):
    """A client, for as long as its connection lasts. Safe to use from any thread."""

    @property
    def id(self) -> str:
        """Names the connection, once and for all of this sidecar's life."""
        ...

    @property
    def client(self) -> str:
        """What it calls itself: ``vscode``, ``emacs``, ..."""
        ...

    @property
    def encoding(self) -> Encoding:
        """What its columns count (``aid.protocol.positions`` converts)."""
        ...

    @property
    def can_approve(self) -> bool:
        """Whether it may be asked."""
        ...

    def notify(self, kind: Notification[P], params: P) -> None:
        """Tell it something. Never waits and never fails: what a client that has gone would be told is dropped.

        News of a turn wait until the client knows the turn, so a turn may speak before its ``turn/start`` is answered.
        """
        ...

    def ask(self, method: Method[P, R], params: P, stop: Stop) -> R:
        """Ask it something, and wait for the answer, however long the person takes.

        Raises ``Refused`` (``cannot-approve``) when it does not answer such questions, or answers with an error;
        ``Cancelled`` when it has gone or ``stop`` is requested.
        """
        ...


@dataclass(frozen=True)
class Call:
    """A request on its way: who asks, and whether somebody still wants the answer."""

    peer: Peer
    stop: Stop
    """Requested when the client takes the request back, goes, or the sidecar ends. Closed when the handler returns."""


Handler = Callable[[Call, Any], Any]


class Handlers:
    """A table of handlers, each of the type that its method has in the catalogue."""

    def __init__(self) -> None:
        self._methods: dict[str, Handler] = {}
        self._notes: dict[str, Handler] = {}

    def on(self, method: Method[P, R], handle: Callable[[Call, P], R]) -> None:
        """Serve a method. A handler's ``GreenloopError`` is the client's answer (``aid.protocol.faults``)."""
        assert method.name not in self._methods, f"{method.name} is served already"
        self._methods[method.name] = handle

    def hear(self, note: Notification[P], handle: Callable[[Call, P], None]) -> None:
        """Take a notification of clients; several may."""
        earlier = self._notes.get(note.name)
        self._notes[note.name] = handle if earlier is None else _both(earlier, handle)

    def add(self, other: "Handlers") -> None:
        """Take another table's handlers as well."""
        twice = self._methods.keys() & other._methods.keys()
        assert not twice, f"{', '.join(sorted(twice))}: served already"
        self._methods |= other._methods
        for name, handle in other._notes.items():
            earlier = self._notes.get(name)
            self._notes[name] = handle if earlier is None else _both(earlier, handle)

    @property
    def methods(self) -> Mapping[str, Handler]:
        """The handlers of requests, by method."""
        return self._methods

    @property
    def notes(self) -> Mapping[str, Handler]:
        """The handlers of notifications."""
        return self._notes


class Service(Protocol):
    """A part of the sidecar. Its methods are called in threads, ``handlers`` once at the start."""

    def handlers(self) -> Handlers:
        """Return what it serves."""
        ...

    def left(self, peer: Peer) -> None:
        """Let go of a client whose connection ended: its turns are cancelled, nobody wants them any more."""
        ...

    def busy(self) -> bool:
        """Whether it does something that the sidecar must not end in for want of clients."""
        ...

    def close(self) -> None:
        """End everything, with all processes that it started. Nothing is called after it."""
        ...


class Combined:
    """Several parts as one."""

    def __init__(self, parts: Iterable[Service]) -> None:
        self._parts = tuple(parts)

    def handlers(self) -> Handlers:
        """Return what they serve together; a method is served by one of them."""
        table = Handlers()
        for part in self._parts:
            table.add(part.handlers())
        return table

    def left(self, peer: Peer) -> None:
        """Tell all."""
        for part in self._parts:
            part.left(peer)

    def busy(self) -> bool:
        """Whether any is."""
        return any(part.busy() for part in self._parts)

    def close(self) -> None:
        """End them, the last one first: the others may stand on the first ones."""
        for part in reversed(self._parts):
            part.close()


def _both(first: Handler, second: Handler) -> Handler:
    def handle(call: Call, params: Any) -> None:
        first(call, params)
        second(call, params)

    return handle
