"""Where the service listens: a Unix socket that only its owner reaches, or a TCP port."""

import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from greenloop.records import EnvironmentFault, InputError
from greenloop.storage import named_io_errors

_LONGEST_UNIX = 107
"""Bytes of a Unix socket's path: Linux' ``sun_path`` less its end (unix(7))."""
_BACKLOG = 2048
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 15), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
"""A client whose machine vanished is noticed after 30 seconds, and its work ended."""


@dataclass(frozen=True)
class UnixAddress:
    """A socket file; its folder must be its owner's alone."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True)
class TcpAddress:
    """A host, by name or number, and a port; 0 takes any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "TcpAddress":
        """Read ``HOST:PORT``, ``:PORT`` or ``PORT``; without a host it is this machine's loopback."""
        host, _, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
        if not port.isdigit() or int(port) > 65535:
            raise InputError(f"{text}: not HOST:PORT", "for example --listen 127.0.0.1:8023")
        return cls(host, int(port))


Address = UnixAddress | TcpAddress


def listen(address: Address) -> socket.socket:
    """Return a socket that listens. Raises ``InputError`` or ``EnvironmentFault`` when it cannot be had."""
    return _listen_unix(address.path) if isinstance(address, UnixAddress) else _listen_tcp(address)


def bound(listener: socket.socket) -> Address:
    """Return where a socket really listens."""
    name = listener.getsockname()
    return UnixAddress(Path(name)) if listener.family == socket.AF_UNIX else TcpAddress(name[0], name[1])


def _listen_tcp(address: TcpAddress) -> socket.socket:
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise EnvironmentFault(f"{address}: {error.strerror}", "name an address of this machine") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            listener.setsockopt(socket.IPPROTO_TCP, option, value)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise EnvironmentFault(f"{address}: cannot listen: {error.strerror}", "choose another port") from error
    return listener


def _listen_unix(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > _LONGEST_UNIX:
        raise InputError(
            f"{path}: longer than the {_LONGEST_UNIX} bytes that a Unix socket's path may have",
            "name a shorter one with --socket",
        )
    with named_io_errors(path.parent):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = path.parent.stat()
    if folder.st_uid != os.geteuid() or folder.st_mode & 0o077:
        raise EnvironmentFault(
            f"{path.parent}: others may reach into this folder, and whoever reaches the socket needs no token",
            f"chmod 700 {path.parent}, or name another with --socket",
        )
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise EnvironmentFault(f"{path}: cannot listen: {error.strerror}", "choose another with --socket") from error
    return listener


def _remove_stale(path: Path) -> None:
    """Remove the socket of a server that was killed. Raises ``InputError`` when somebody answers, or it is a file."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise InputError(f"{path}: is there, and is no socket", "choose another with --socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise EnvironmentFault(f"{path}: {error.strerror}", "choose another with --socket") from error
        else:
            raise InputError(f"{path}: another server answers there", "stop it, or choose another with --socket")
