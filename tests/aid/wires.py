"""A door in a thread, a client that speaks bytes, and what of processes is looked at."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from greenloop.aid.door.connection import Bounds
from greenloop.aid.door.place import Place
from greenloop.aid.door.server import About, Door
from greenloop.aid.service import Service

PATIENCE = 60.0
"""Seconds that a test waits for what has to come: generous, for the machine may be busy."""


class Wire:
    """A client that knows frames and JSON, and nothing else."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self._buffer = b""

    def raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.raw(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def next(self) -> dict[str, Any] | None:
        """Return the next message, or ``None`` at the end."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._fill():
                return None
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        length = int(head.removeprefix(b"Content-Length: "))
        self._buffer = rest
        while len(self._buffer) < length:
            assert self._fill(), "the connection ended within a message"
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        found: dict[str, Any] = json.loads(body)
        return found

    def ask(self, method: str, params: Any = None, identity: int | str = 1) -> dict[str, Any]:
        """Ask, and return the answer; what comes before it is dropped."""
        self.send({"id": identity, "method": method, "params": params})
        while (found := self.next()) is not None:
            if found.get("id") == identity and "method" not in found:
                return found
        raise AssertionError(f"the connection ended before {method} was answered")

    def greet(self, **words: Any) -> dict[str, Any]:
        return self.ask("initialize", {"client": "test", **words}, "hello")

    def until(self, method: str) -> list[dict[str, Any]]:
        """Return the messages up to the first of a method, which is the last of them."""
        found: list[dict[str, Any]] = []
        while not found or found[-1].get("method") != method:
            message = self.next()
            assert message is not None, f"the connection ended before {method}: {found}"
            found.append(message)
        return found

    def drain(self) -> None:
        """Read to the end, which may be within a message."""
        while self._fill():
            self._buffer = b""

    def close(self) -> None:
        self.socket.close()

    def _fill(self) -> bool:
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionError:
            return False
        self._buffer += data
        return bool(data)


@contextmanager
def doorway(
    folder: Path, service: Service, bounds: Bounds | None = None, idle: float = 0.0
) -> Iterator[tuple[Path, Door]]:
    """Run a door in a thread."""
    place = Place(folder / "aid", folder / "run")
    place.prepare()
    ready = threading.Event()
    doors: list[Door] = []
    loops: list[asyncio.AbstractEventLoop] = []
    with place.listening("session", "1.0") as listener:

        async def run() -> None:
            doors.append(Door(service, About("1.0", "session"), bounds=bounds, idle_seconds=idle))
            loops.append(asyncio.get_running_loop())
            await doors[0].run(listener, ready.set)

        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        assert ready.wait(PATIENCE)
        try:
            yield place.socket, doors[0]
        finally:
            with suppress(RuntimeError):  # it has ended by itself
                loops[0].call_soon_threadsafe(doors[0].stop, "the test is over")
            thread.join()


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
