"""Canonical s-expressions, in which dune's server and its clients speak: ``(5:hello()2:hi)``.

Source: dune's otherlibs/csexp, and Rivest's draft of 1997.
"""

from collections.abc import Sequence
from typing import TypeAlias

from greenloop.records import InfrastructureError

Csexp: TypeAlias = bytes | list["Csexp"]

_MAX_DIGITS = 9
_MAX_DEPTH = 1000


def encode(value: "str | bytes | Sequence[object]") -> bytes:
    """Return the one encoding of nested sequences of text."""
    if isinstance(value, str | bytes):
        raw = value.encode() if isinstance(value, str) else value
        return b"%d:%s" % (len(raw), raw)
    inner = []
    for part in value:
        assert isinstance(part, str | bytes | Sequence)
        inner.append(encode(part))
    return b"(" + b"".join(inner) + b")"


class Reader:
    """Takes bytes as they come, and gives each expression once it is whole."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._stack: list[list[Csexp]] = [[]]

    def feed(self, data: bytes) -> list[Csexp]:
        """Return the expressions that are complete with ``data``. Raises ``InfrastructureError`` on anything else."""
        self._buffer += data
        while self._step():
            pass
        del self._buffer[: self._at]
        self._at = 0
        done, self._stack[0] = self._stack[0], []
        return done

    def _step(self) -> bool:
        """Read one token, if it is there."""
        if self._at >= len(self._buffer):
            return False
        mark = self._buffer[self._at]
        if mark == ord("("):
            if len(self._stack) > _MAX_DEPTH:
                raise InfrastructureError("dune's server nests its answers without end")
            self._stack.append([])
        elif mark == ord(")"):
            if len(self._stack) == 1:
                raise InfrastructureError("dune's server sent a bracket too many")
            closed = self._stack.pop()
            self._stack[-1].append(closed)
        else:
            return self._atom()
        self._at += 1
        return True

    def _atom(self) -> bool:
        colon = self._buffer.find(b":", self._at, self._at + _MAX_DIGITS + 1)
        digits = bytes(self._buffer[self._at : colon if colon >= 0 else self._at + _MAX_DIGITS + 1])
        if not digits.isdigit() or (colon < 0 and len(digits) > _MAX_DIGITS):
            raise InfrastructureError("dune's server sent what is no canonical s-expression")
        end = colon + 1 + int(digits)
        if colon < 0 or len(self._buffer) < end:
            return False
        self._stack[-1].append(bytes(self._buffer[colon + 1 : end]))
        self._at = end
        return True
