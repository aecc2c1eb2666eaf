"""Reaching the sidecar of a place, started where it does not run, and replaced where it is older than we are."""

import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from greenloop.aid.door import supervisor
from greenloop.aid.door.place import Place, demand_short
from greenloop.aid.protocol.base import Empty
from greenloop.aid.protocol.catalogue import SIDECAR_STATUS, SIDECAR_STOP, Method, P, R
from greenloop.aid.protocol.session import SidecarStatus, SidecarStop
from greenloop.aid.wire import messages
from greenloop.aid.wire.framing import Framer, frame
from greenloop.aid.wire.messages import Answer
from greenloop.builds.locks import locked
from greenloop.records import EnvironmentFault, Refused
from greenloop.storage import named_io_errors

_ANSWER_SECONDS = 10.0
_START_SECONDS = 30.0
_END_SECONDS = 10.0
_PAUSE_SECONDS = 0.02
_DEAF_SECONDS = 3.0
"""For a sidecar that runs and cannot be reached: it is about to listen, or to end."""
_CREDENTIALS = struct.Struct("3i")
_GONE = (FileNotFoundError, ConnectionError)


@dataclass(frozen=True)
class Launch:
    """How a sidecar is started, and which version one of ours is."""

    command: Sequence[str]
    """Begins with an absolute path; gets ``--ready-fd N``."""
    version: str
    environment: Mapping[str, str] | None = None
    """All of it; ``None``: that of the client that starts it."""


@dataclass(frozen=True)
class Reached:
    """A connection to a sidecar that has answered."""

    socket: socket.socket
    status: SidecarStatus


def reach(place: Place, launch: Launch | None) -> Reached:
    """Return a connection to the sidecar, which is started, or replaced when it is older than ``launch.version``.

    ``launch`` ``None``: it has to run already. Blocks. Raises ``EnvironmentFault`` when none is to be had.
    """
    began = time.monotonic()
    while True:
        try:
            found = _dial(place)
        except _GONE as error:
            if launch is None:
                raise EnvironmentFault("no sidecar runs", "`greenloop aid start` starts one") from error
            waited = time.monotonic() - began
            if waited > _START_SECONDS:
                raise EnvironmentFault("the sidecar cannot be reached", f"see {place.log}") from error
            if waited > _DEAF_SECONDS and place.card() is not None:
                # its socket was removed, as when the session that the socket lay in has ended
                halt(place)
            _start(place, launch)
            continue
        if launch is None or not _older(found.status.version, launch.version):
            return found
        stop(place, found, f"version {launch.version} is installed")


def look(place: Place) -> SidecarStatus | None:
    """Return how the sidecar fares, or ``None`` when none runs. Raises ``EnvironmentFault`` when it does not answer."""
    try:
        found = _dial(place)
    except _GONE:
        return None
    found.socket.close()
    return found.status


def stop(place: Place, found: Reached, why: str) -> None:
    """End a sidecar that was reached, and wait for it. Raises ``EnvironmentFault`` when it does not end."""
    with found.socket, suppress(*_GONE):
        _ask(found.socket, SIDECAR_STOP, SidecarStop(why=why))
    _await_end(place, found.status.pid)


def halt(place: Place) -> bool:
    """End the sidecar of a place by signals, also one that does not answer, and tell whether one ran."""
    deadline = time.monotonic() + _START_SECONDS
    while (card := place.card()) is None or place.free():
        if place.free():
            return False
        if time.monotonic() > deadline:
            raise EnvironmentFault("a sidecar has been starting for too long", f"see {place.log}")
        time.sleep(_PAUSE_SECONDS)
    with suppress(ProcessLookupError):
        os.kill(card.pid, signal.SIGTERM)
    _await_end(place, card.pid)
    return True


def _dial(place: Place) -> Reached:
    with ExitStack() as undo:
        sock = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        path = place.socket
        demand_short(path)
        try:
            sock.connect(str(path))
        except PermissionError as error:
            raise EnvironmentFault(f"{path}: permission denied", "the sidecar of another user is not yours") from error
        _, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if uid != os.geteuid():
            raise EnvironmentFault(f"{path}: user {uid} listens there, not you", "remove that file")
        status = _ask(sock, SIDECAR_STATUS, Empty())
        undo.pop_all()
        return Reached(sock, status)


def _ask(sock: socket.socket, method: Method[P, R], params: P) -> R:
    """Ask on a connection on which nothing else is said. Raises ``ConnectionError`` when it ends meanwhile."""
    sock.settimeout(_ANSWER_SECONDS)
    framer = Framer()
    try:
        sock.sendall(frame(messages.request(0, method.name, params)))
        while True:
            data = sock.recv(1 << 16)
            if not data:
                raise ConnectionResetError("the sidecar ended")
            for body in framer.feed(data):
                said = messages.parse(body)
                if not isinstance(said, Answer):
                    continue
                if said.fault is not None:
                    raise Refused(said.fault.code, said.fault.message, said.fault.way_out)
                return _lenient(method.result, said.result)
    except TimeoutError as error:
        raise EnvironmentFault(
            f"the sidecar does not answer within {_ANSWER_SECONDS:g} seconds", "`greenloop aid restart` replaces it"
        ) from error
    finally:
        sock.settimeout(None)


def _lenient(model: type[R], given: object) -> R:
    """Read an answer of a sidecar that may be of another version: fields that we do not know are left out."""
    if isinstance(given, dict):
        given = {name: value for name, value in given.items() if name in model.model_fields}
    return messages.read(model, given, "an answer of the sidecar")


def _start(place: Place, launch: Launch) -> None:
    """Start a sidecar, unless somebody else does, or has. Raises ``EnvironmentFault`` with its last words."""
    place.prepare()
    with locked(place.starting):
        if not place.free() and place.card() is not None:
            # it came while we waited; or it is ending, which takes a moment
            time.sleep(_PAUSE_SECONDS)
            return
        settings = {"command": list(launch.command), "last_words": str(place.last_words)}
        with named_io_errors(Path(sys.executable)):
            done = subprocess.run(
                [sys.executable, "-I", "-S", str(supervisor.__file__), json.dumps(settings)],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, errors="replace",
                env=launch.environment,
            )  # fmt: skip
        if done.returncode:
            raise EnvironmentFault(
                f"the sidecar ended at once: {' '.join(done.stderr.split()) or 'it said nothing'}", f"see {place.log}"
            )


def _older(theirs: str, ours: str) -> bool:
    try:
        return Version(theirs) < Version(ours)
    except InvalidVersion:
        # two that cannot be compared would replace each other for ever
        return False


def _await_end(place: Place, pid: int) -> None:
    """Wait until a sidecar has ended; one that does not is killed."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(_END_SECONDS * 1000):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            if not poll.poll(_END_SECONDS * 1000):
                raise EnvironmentFault(f"the sidecar (process {pid}) does not end", f"see {place.log}")
    finally:
        os.close(handle)
