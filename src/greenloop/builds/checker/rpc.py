"""Clients of dune's server: the connection, and the one that asks it to build.

The protocol is dune's own (3.0 and later, protocol version 0): canonical s-expressions on a Unix socket; first
``initialize``, then each side says which versions of which methods it knows, then requests. ``build`` takes targets as
s-expressions (``@check`` is not understood, ``(alias_rec check)`` is) and answers ``Success`` or ``Failure``.
Sources: ocaml/dune otherlibs/dune-rpc (types.ml, conv.ml, menu.ml), src/dune_rpc_impl/decl.ml.
"""

import os
import select
import socket
import stat
import time
from collections.abc import Sequence

from greenloop.builds.checker.csexp import Csexp, Reader, encode
from greenloop.builds.stop import Stop
from greenloop.records import InfrastructureError

_CHUNK = 1 << 16
Menu = Sequence[tuple[str, str]]
"""Methods, each in the one version that is spoken."""
_BUILDING = (("build", "1"),)
_DUNE_VERSION = ["3", "0"]
"""The least that servers know; which version of a method is spoken is settled by the menu."""


class Connection:
    """A connection to a server; ``menu`` names the methods without which it is of no use."""

    def __init__(self, folder: int, seconds: float, menu: Menu) -> None:
        """Connect to the socket ``dune`` in the folder with the descriptor ``folder``, and shake hands.

        Raises ``FileNotFoundError`` or ``ConnectionRefusedError`` where nobody listens (yet), ``InfrastructureError``
        where nothing that understands us does, or not within ``seconds``.
        """
        if not stat.S_ISSOCK(os.stat("dune", dir_fd=folder, follow_symlinks=False).st_mode):
            raise InfrastructureError("where dune's server should listen there is no socket")
        self._socket = socket.socket(socket.AF_UNIX)
        self._reader = Reader()
        self._inbox: list[Csexp] = []
        self._count = 0
        try:
            # the name of an address is short, and this one passes through no folder that could be a link
            self._socket.connect(f"/proc/self/fd/{folder}/dune")
            self._socket.setblocking(False)
            deadline = time.monotonic() + seconds
            hello = [["dune_version", _DUNE_VERSION], ["protocol_version", "0"], ["id", "greenloop"]]
            self._demand("initialize", hello, deadline)
            _demand_methods(menu, self._demand("version_menu", [[name, [number]] for name, number in menu], deadline))
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _demand(self, method: str, params: Sequence[object], deadline: float) -> Csexp:
        self._send(method, params)
        answer = self._answer(deadline, None)
        if answer is None:
            raise InfrastructureError(f"dune's server did not answer {method!r} in time")
        return answer

    def _send(self, method: str, params: str | Sequence[object]) -> None:
        self._count += 1
        packet = encode([["id", str(self._count)], ["method", method], ["params", params]])
        sent = self._socket.send(packet)
        if sent < len(packet):
            raise InfrastructureError("dune's server does not read what it is asked")

    def _answer(self, deadline: float, stop: Stop | None) -> Csexp | None:
        """Return the result of the last request; notifications and older answers are passed over."""
        while True:
            while self._inbox:
                found, result = answer_to(self._inbox.pop(0), str(self._count))
                if found:
                    return result
            if not self._receive(deadline, stop):
                return None

    def _receive(self, deadline: float, stop: Stop | None) -> bool:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if stop is not None:
            poll.register(stop, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000)}
        if stop is not None:
            stop.check()
        if self._socket.fileno() not in ready:
            return False
        data = self._socket.recv(_CHUNK)
        if not data:
            raise InfrastructureError("dune's server hung up")
        self._inbox += self._reader.feed(data)
        return True


class DuneClient(Connection):
    """A connection to a server in passive watch mode; one request at a time."""

    def __init__(self, folder: int, seconds: float) -> None:
        """See ``Connection``."""
        super().__init__(folder, seconds, _BUILDING)

    def build(self, target: str, deadline: float, stop: Stop | None = None) -> bool | None:
        """Ask for a target and say whether it was built; ``None`` when that is not known at the ``deadline``.

        Raises ``Cancelled`` when ``stop`` was requested first. Either way the server goes on: see ``finish``.
        """
        self._send("build", [target])
        return self.finish(deadline, stop)

    def finish(self, deadline: float, stop: Stop | None = None) -> bool | None:
        """Wait for the end of the build that was asked for last, as ``build`` does."""
        answer = self._answer(deadline, stop)
        if answer is None:
            return None
        match answer:
            case [b"Success", *_]:
                return True
            case [b"Failure", *_]:
                return False
        raise InfrastructureError(f"dune's server answered a request to build with {answer!r:.200}")


def _demand_methods(wanted: Menu, menu: Csexp) -> None:
    for name, number in wanted:
        if not isinstance(menu, list) or [name.encode(), number.encode()] not in menu:
            raise InfrastructureError(f"this dune's server offers no {name!r} that we know")


def answer_to(packet: Csexp, wanted: str) -> tuple[bool, Csexp]:
    """Return whether a packet answers the request of that number, and what it says."""
    found = {
        part[0]: part[1]
        for part in (packet if isinstance(packet, list) else [])
        if isinstance(part, list) and len(part) == 2 and isinstance(part[0], bytes)
    }
    if found.get(b"id") != wanted.encode() or b"result" not in found:
        return False, b""
    match found[b"result"]:
        case [b"ok", result]:
            return True, result
    raise InfrastructureError(f"dune's server refused a request: {found[b'result']!r:.400}")
