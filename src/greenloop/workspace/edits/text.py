"""Text as whole lines: splitting, line ends, and where a run of lines occurs in another."""

from collections.abc import Iterator, Sequence

from greenloop.records import EditError

MAX_LINES = 1_000_000
"""The longest file, in lines, in which places are looked for: each distinct line takes one of Unicode's numbers."""


def split_lines(text: str) -> list[str]:
    """Return the lines of ``text`` with their ends; only ``\\n`` ends a line, as in git and in compilers."""
    *whole, last = text.split("\n")
    lines = [line + "\n" for line in whole]
    if last:
        lines.append(last)
    return lines


def decode_text(content: bytes, path: str) -> str:
    """Return the text of a file. Raises ``EditError`` with reason ``binary`` when it is not UTF-8 or holds NUL."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise EditError(
            f"{path}: not UTF-8 text (byte {error.start})", "edits change text files only", reason="binary"
        ) from error
    if "\0" in text:
        raise EditError(f"{path}: holds NUL bytes, so it is no text", "edits change text files only", reason="binary")
    return text


def encode_text(text: str, path: str) -> bytes:
    """Return the bytes of ``text``. Raises ``EditError`` with reason ``binary`` when UTF-8 cannot hold it."""
    if "\0" in text:
        raise EditError(f"{path}: the edit writes NUL bytes", "edits change text files only", reason="binary")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise EditError(f"{path}: the edit writes what is not Unicode text", reason="binary") from error


def line_end(line: str) -> str:
    """Return how ``line`` ends: ``\\r\\n``, ``\\n`` or nothing."""
    if line.endswith("\r\n"):
        return "\r\n"
    return "\n" if line.endswith("\n") else ""


def dominant_end(lines: Sequence[str]) -> str:
    """Return the line end that most of ``lines`` have; ``\\n`` in doubt."""
    crlf = sum(line.endswith("\r\n") for line in lines)
    return "\r\n" if crlf > sum(line.endswith("\n") for line in lines) - crlf else "\n"


def with_end(line: str, end: str) -> str:
    """Return ``line`` with its own line end, if it has one, exchanged for ``end``."""
    own = line_end(line)
    return line.removesuffix(own) + end if own else line


class Haystack:
    """A sequence of keys in which runs of keys are found fast.

    Every distinct key becomes one character, so that the search is ``str.find`` in C: linear, and no key of
    a million-line file is compared twice.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if len(keys) > MAX_LINES:
            raise EditError(
                f"a text of {len(keys)} lines or tokens is too long to search",
                f"the limit is {MAX_LINES}",
                reason="too-large",
            )
        self._codes: dict[str, str] = {}
        for key in keys:
            if key not in self._codes:
                self._codes[key] = chr(len(self._codes))
        self._text = "".join(self._codes[key] for key in keys)

    def find(self, needle: Sequence[str]) -> Iterator[int]:
        """Yield where ``needle``, which is not empty, starts, in order; overlapping places included."""
        codes = [self._codes.get(key) for key in needle]
        if None in codes or not codes:
            return
        wanted = "".join(code for code in codes if code is not None)
        at = self._text.find(wanted)
        while at >= 0:
            yield at
            at = self._text.find(wanted, at + 1)
