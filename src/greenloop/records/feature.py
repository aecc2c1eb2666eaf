"""A feature: one change that people spoke of as one, whatever its size."""

from greenloop.records.base import Part, Record, UnixTime
from greenloop.records.tree import TreeId


class Comment(Part):
    """What somebody said about a feature, or about one place in it."""

    text: str
    author: str = ""
    path: str | None = None
    """The file it is about; ``None`` where it is about the whole."""
    line: int | None = None
    """The line in that file as of the feature's target, from 1; where it is of the base, the text alone says so."""


class Feature(Record):
    """A change from ``base`` to ``target`` with what was said about it, wherever it was read from."""

    base: TreeId
    target: TreeId
    title: str
    description: str = ""
    author: str = ""
    time: UnixTime = 0.0
    """When it was made, in Unix seconds; 0 where nobody knows."""
    comments: tuple[Comment, ...] = ()
    source: str = ""
    """Where it was read from, for people: ``git main..topic``, ``github owner/name#7``."""
