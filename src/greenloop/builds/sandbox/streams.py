"""Reading what a command prints: kept up to a cap, read to its end, so that it never blocks nor fills anything."""

import os

_CHUNK = 1 << 16


class Stream:
    """One output of a command: the reading end of a pipe, made non-blocking here."""

    def __init__(self, fd: int, cap: int) -> None:
        """``cap``: how many bytes are kept."""
        os.set_blocking(fd, False)
        self.fd = fd
        self._cap = cap
        self._kept = bytearray()
        self._dropped = False
        self.ended = False

    def read_available(self) -> bool:
        """Take a piece of what is there now; ``False`` when there is nothing, at its end for good."""
        try:
            chunk = os.read(self.fd, _CHUNK)
        except BlockingIOError:
            return False
        self._keep(chunk)
        self.ended = not chunk
        return not self.ended

    def _keep(self, chunk: bytes) -> None:
        room = self._cap - len(self._kept)
        self._kept += chunk[:room]
        self._dropped |= len(chunk) > room

    def read_rest(self) -> None:
        """Take all that is there now, once nobody writes any more."""
        while self.read_available():
            pass

    def tail(self) -> str:
        """What was printed last, for an error message."""
        return bytes(self._kept[-2000:]).decode("utf-8", "replace").strip()

    def take(self) -> tuple[bytes, bool]:
        """Return (what was kept, whether some was dropped) and start afresh."""
        taken = bytes(self._kept), self._dropped
        self._kept, self._dropped = bytearray(), False
        return taken


class Ring(Stream):
    """Keeps the last bytes instead of the first ones; may be looked at while another thread reads."""

    def __init__(self, fd: int, cap: int) -> None:
        super().__init__(fd, cap)
        self._last = [b""]

    def beside(self, fd: int) -> "Ring":
        """Another ring for ``fd`` that keeps its bytes together with ours."""
        other = Ring(fd, self._cap)
        other._last = self._last
        return other

    def _keep(self, chunk: bytes) -> None:
        self._last[0] = (self._last[0] + chunk)[-self._cap :]

    def look(self) -> bytes:
        """What is kept now."""
        return self._last[0]

    def tail(self) -> str:
        """What was printed last, for an error message."""
        return self.look()[-2000:].decode("utf-8", "replace").strip()
