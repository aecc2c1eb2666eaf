"""What every message shares."""

from enum import StrEnum

from pydantic import Field

from greenloop.records.base import Part

PROTOCOL = 1
"""The version of the protocol. A client that speaks another is told so when it introduces itself."""


class Message(Part):
    """Params or result of a method. Fields that are not known are refused by name: versions are agreed on before."""


class Encoding(StrEnum):
    """What a column counts: chosen by the client, so that no editor layer has to convert."""

    UTF8 = "utf-8"
    """Bytes, as in Neovim."""
    UTF16 = "utf-16"
    """Code units, as in VS Code and the Language Server Protocol."""
    UTF32 = "utf-32"
    """Code points, as in Emacs."""


class Position(Message):
    """A place in a text. Lines and columns count from 0; the column is in the encoding agreed on."""

    line: int = Field(ge=0)
    column: int = Field(ge=0)


class Range(Message):
    """From ``start`` up to, not including, ``end``."""

    start: Position
    end: Position


class Empty(Message):
    """No fields."""
