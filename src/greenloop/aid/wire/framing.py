"""Frames of the Language Server Protocol's base protocol: a header with ``Content-Length``, an empty line, the body.

Our own, though libraries have a reader of such frames: those of pygls 2.1 and python-lsp-jsonrpc 1.1 take a body of any
announced size, read header lines without end, and log a message that they cannot read, whole; ours is for a socket that
any program of this user can reach, and never logs what people wrote.
"""

import re
from collections.abc import Iterator

from greenloop.aid.protocol.faults import Code
from greenloop.records import Refused

MESSAGE_BYTES = 64 << 20
"""The largest body that is taken, unless somebody says otherwise: all unsaved buffers of a large project."""
_HEADER_BYTES = 4096
_END = b"\r\n\r\n"
_LENGTH = re.compile(r"[0-9]{1,12}")
_CHARSETS = ("utf-8", "utf8")


def frame(body: bytes) -> bytes:
    """Return a body with its header."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class Framer:
    """Takes bytes as they come, and gives whole bodies."""

    def __init__(self, limit: int = MESSAGE_BYTES) -> None:
        """``limit``: bytes of the largest body."""
        self._limit = limit
        self._buffer = bytearray()
        self._length: int | None = None

    @property
    def inside(self) -> bool:
        """Whether a message has begun and is not whole yet."""
        return self._length is not None or bool(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take more bytes, and yield each body that is whole by now. Raises ``Refused``; then the stream is lost."""
        self._buffer += data
        while True:
            if self._length is None and not self._header():
                return
            assert self._length is not None
            if len(self._buffer) < self._length:
                return
            body = bytes(self._buffer[: self._length])
            del self._buffer[: self._length]
            self._length = None
            yield body

    def finish(self) -> None:
        """Say that no more bytes come. Raises ``Refused`` in the middle of a message."""
        if self.inside:
            raise Refused(Code.HALF, "the connection ended in the middle of a message")

    def _header(self) -> bool:
        """Read a header if it is whole."""
        end = self._buffer.find(_END, 0, _HEADER_BYTES)
        if end < 0:
            if len(self._buffer) >= _HEADER_BYTES:
                raise _unreadable(f"no end of a header within {_HEADER_BYTES} bytes")
            return False
        length = _length_of(bytes(self._buffer[:end]))
        if length > self._limit:
            raise Refused(
                Code.TOO_LARGE,
                f"a message of {length} bytes: at most {self._limit} are taken",
                "send fewer or smaller buffers, or raise aid.message_mib",
            )
        del self._buffer[: end + len(_END)]
        self._length = length
        return True


def _length_of(header: bytes) -> int:
    """Return the body's length that a header announces."""
    found: str | None = None
    for line in header.split(b"\r\n"):
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip() or not name.isprintable():
            raise _unreadable("a line of a header is no `Name: value`")
        kind, value = name.lower(), value.strip()
        if kind == "content-length":
            if found is not None or not _LENGTH.fullmatch(value):
                raise _unreadable("Content-Length has to stand there once, in digits")
            found = value
        elif kind == "content-type" and "charset=" in value.lower():
            charset = value.lower().partition("charset=")[2].strip(' "')
            if charset not in _CHARSETS:
                raise _unreadable("the charset of a message has to be utf-8")
    if found is None:
        raise _unreadable("a header without Content-Length")
    return int(found)


def _unreadable(why: str) -> Refused:
    return Refused(Code.PARSE, f"the frame of a message cannot be read: {why}", "see docs/protocol.md")
