"""What a commit says of itself, and reading it from a program that prints fields between zeros."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from greenloop.records import FIRST_SECOND, LAST_SECOND

_SECONDS = re.compile(r"-?[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit without its files. Bytes that are no text in the encoding that the commit names come as ``\\ufffd``."""

    id: str
    parents: tuple[str, ...]
    author: str
    """The person's name as the commit has it; empty where it has none."""
    email: str
    time: float
    """When it was committed, in Unix seconds, by that machine's clock; 0 where it is no time that a calendar shows."""
    message: str

    @property
    def subject(self) -> str:
        """The first line of the message that is not empty."""
        # some editors of Windows begin a message with a byte order mark
        lines = self.message.removeprefix("\ufeff").splitlines()
        return next((line.strip() for line in lines if line.strip()), "")


def unix_time(text: str) -> float:
    """Return the seconds that a program printed; 0 for a time that is none, or outside the years 1 to 9999.

    git prints nothing for a commit before 1970 or without a date, and as many digits as the commit has.
    """
    seconds = float(text) if _SECONDS.fullmatch(text) else 0.0
    return seconds if FIRST_SECOND <= seconds <= LAST_SECOND else 0.0


def fields(answer: IO[bytes], count: int) -> Iterator[list[str]]:
    """Yield ``count`` fields at a time from what a program prints, a NUL behind each."""
    held: list[str] = []
    rest = b""
    while block := answer.read(1 << 16):
        *whole, rest = (rest + block).split(b"\0")
        for field in whole:
            held.append(field.decode("utf-8", "replace"))
            if len(held) == count:
                yield held
                held = []
