"""Looking on while somebody's own dune watches: how its build fares, and what it found wrong.

Of all that the protocol offers, two requests are made: ``poll/progress``, which is answered when the progress has
changed since it was last asked for, and ``diagnostics``. Nothing is built, started or ended, and nothing is written.
Sources: ocaml/dune otherlibs/dune-rpc (procedures.ml, exported_types.ml, conv.ml).
"""

import os
import time
from enum import StrEnum
from pathlib import Path

from greenloop.builds.checker.csexp import Csexp
from greenloop.builds.checker.rpc import Connection, answer_to
from greenloop.builds.diagnostics.categories import categorise
from greenloop.builds.diagnostics.text import clip, distinct, normalise
from greenloop.records import Category, Diagnostic, InfrastructureError, Severity, Span

SOCKET_FOLDER = Path("_build/.rpc")
_MENU = (("diagnostics", "1"), ("poll/progress", "1"))
_STREAM = "greenloop"
"""The name of our stream of progress; a server tells them apart by connection too."""


class Progress(StrEnum):
    """How a watching dune fares."""

    WAITING = "waiting"
    """It has built nothing yet."""
    IN_PROGRESS = "in_progress"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    SUCCESS = "success"


class DuneObserver(Connection):
    """A connection to the dune that watches in ``root``."""

    def __init__(self, root: Path, seconds: float = 5.0) -> None:
        """Connect. Raises as ``Connection`` does, and ``OSError`` where there is no server."""
        self._root = root
        folder = os.open(root / SOCKET_FOLDER, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            super().__init__(folder, seconds, _MENU)
        finally:
            os.close(folder)
        self._asked = ""

    def fileno(self) -> int:
        """The descriptor that is readable when there is news, or the server has hung up."""
        return self._socket.fileno()

    def ask(self) -> None:
        """Ask to be told the progress once it is another one than the last that was told; see ``told``."""
        self._send("poll/progress", _STREAM)
        self._asked = str(self._count)

    @property
    def asked(self) -> bool:
        """Whether an answer to ``ask`` is still to come."""
        return bool(self._asked)

    def told(self) -> Progress | None:
        """Return the answer to ``ask`` if it has come. Never waits."""
        while self._receive(0.0, None):
            pass
        return self._told()

    def _told(self) -> Progress | None:
        for packet in self._inbox:
            found, result = answer_to(packet, self._asked)
            if found:
                self._inbox.remove(packet)
                self._asked = ""
                match result:
                    case [b"Some", [bytes() as word, *_]]:
                        return Progress(word.decode("ascii", "replace"))
                raise InfrastructureError(f"dune's server told a progress that we do not know: {result!r:.200}")
        return None

    def diagnostics(self, seconds: float = 10.0) -> tuple[Diagnostic, ...]:
        """Return what dune finds wrong at the moment, in the order of places."""
        self._send("diagnostics", [])
        number, deadline = str(self._count), time.monotonic() + seconds
        while True:
            for packet in self._inbox:
                found, result = answer_to(packet, number)
                if found:
                    self._inbox.remove(packet)
                    return read_diagnostics(result, self._root)
            if not self._receive(deadline, None):
                raise InfrastructureError("dune's server did not tell its diagnostics in time")


def read_diagnostics(answer: Csexp, root: Path) -> tuple[Diagnostic, ...]:
    """Read the answer to ``diagnostics``, version 1. Raises ``InfrastructureError`` when it is none."""
    if not isinstance(answer, list):
        raise InfrastructureError(f"dune's server told diagnostics that we do not know: {answer!r:.200}")
    found = [_diagnostic(_fields(one), root) for one in answer]
    return distinct(sorted(found, key=_order))


def _order(found: Diagnostic) -> tuple[str, int, int]:
    span = found.span
    return found.path or "", span.line if span else 0, span.column if span else 0


def _diagnostic(fields: dict[bytes, Csexp], root: Path) -> Diagnostic:
    message = clip(_text(fields.get(b"message", b"")))
    severity = Severity.WARNING if fields.get(b"severity") == b"warning" else Severity.ERROR
    path, span = _place(fields, root)
    category = Category.WARNING if severity is Severity.WARNING else categorise(message, path)
    return Diagnostic(severity=severity, category=category, message=message, path=path, span=span)


def _place(fields: dict[bytes, Csexp], root: Path) -> tuple[str | None, Span | None]:
    loc = _fields(fields.get(b"loc", b""))
    start, stop = _fields(loc.get(b"start", b"")), _fields(loc.get(b"stop", b""))
    name = start.get(b"pos_fname")
    if not isinstance(name, bytes):
        return None, None
    # the server may see its root under another path than we do, as in a container, and says which
    seen = fields.get(b"directory")
    path = os.fsdecode(name)
    for base in (os.fsdecode(seen) if isinstance(seen, bytes) else str(root), str(root)):
        path = path.removeprefix(f"{base}/")
    numbers = [_number(one, key) for one in (start, stop) for key in (b"pos_lnum", b"pos_cnum", b"pos_bol")]
    line, column, end = numbers[0], numbers[1] - numbers[2], numbers[4] - numbers[5]
    if line < 1 or column < 0:
        return normalise(path.encode("utf-8", "replace").decode(), str(root)), None
    end_line = max(line, numbers[3])
    end = max(column, end) if end_line == line else max(0, end)
    span = Span(line=line, column=column, end_line=end_line, end_column=end)
    return normalise(path.encode("utf-8", "replace").decode(), str(root)), span


def _number(fields: dict[bytes, Csexp], key: bytes) -> int:
    raw = fields.get(key)
    return int(raw) if isinstance(raw, bytes) and raw.lstrip(b"-").isdigit() else 0


def _fields(value: Csexp) -> dict[bytes, Csexp]:
    """Return a record's fields; no record has none."""
    pairs = value if isinstance(value, list) else []
    return {
        pair[0]: pair[1] for pair in pairs if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], bytes)
    }


def _text(document: Csexp, gap: str = " ") -> str:
    """Return the text of a document of OCaml's library ``pp``; ``gap`` stands at breaks."""
    match document:
        case [b"Verbatim" | b"Text" | b"Char", bytes() as raw]:
            text = raw.decode("utf-8", "replace")
        case [b"Newline", *_]:
            text = "\n"
        case [b"Break", *_]:
            text = gap
        case [b"Vbox", [_, inner]]:
            text = _text(inner, "\n")
        case [b"Box" | b"Hvbox" | b"Hovbox" | b"Tag", [_, inner]] | [b"Hbox", inner]:
            text = _text(inner)
        case [b"Seq", [one, other]]:
            text = _text(one, gap) + _text(other, gap)
        case [b"Concat", [between, list() as parts]]:
            text = _text(between, gap).join(_text(part, gap) for part in parts)
        case _:
            text = ""
    return text
