"""What a commit says of itself, and reading it from a program that prints fields between zeros."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit without its files. Bytes that are no text in the encoding that the commit names come as ``\\ufffd``."""

    id: str
    parents: tuple[str, ...]
    author: str
    """The person's name as the commit has it; empty where it has none."""
    email: str
    time: float
    """When it was committed, in Unix seconds, by that machine's clock."""
    message: str

    @property
    def subject(self) -> str:
        """The first line of the message that is not empty."""
        return next((line.strip() for line in self.message.splitlines() if line.strip()), "")


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
