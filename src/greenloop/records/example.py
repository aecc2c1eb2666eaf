"""What a model learns from, and what it is asked."""

from enum import StrEnum

from pydantic import Field

from greenloop.records.base import Record, UnixTime
from greenloop.records.diagnostic import Category, Diagnostic
from greenloop.records.edit import Edit
from greenloop.records.tree import TreeId
from greenloop.records.verdict import Suite


class Origin(StrEnum):
    """Where an example comes from."""

    EPISODE = "episode"
    """The end of a run of red: its last red that counts → green."""
    EARLIER = "earlier"
    """An earlier red of such a run → its green."""
    SUBFIX = "subfix"
    """A step after which the first error was gone and a later one showed; the target is still red."""
    SHRINKING = "shrinking"
    """A step after which the first error stayed and later ones were gone; the target is still red."""
    COMMIT = "commit"
    FEATURE = "feature"
    """A piece of a larger change, green → green."""
    SYNTHETIC = "synthetic"
    """Made by breaking a green tree; no person's work."""


class Example(Record):
    """(context, prompt, edit) as a person once lived it, proven by verdicts on both trees; or made, and marked so.

    What a person did beside what the error asked for may be left out: then ``target`` is a tree that nobody saw.

    The context is drawn from ``base`` by ``prompts`` with one code for training and serving, so it is not
    kept here. ``id`` is derived from the content.
    """

    id: str
    workspace: str
    author: str
    time: UnixTime
    base: TreeId
    target: TreeId
    edit: Edit
    prompt: str
    """What a person would have typed."""
    description: str
    """The change in full words, by rules."""
    diagnostics: tuple[Diagnostic, ...]
    """What the toolchain said of ``base``; of a step by which the errors shrank, those that it mended."""
    category: Category
    changed_lines: int = Field(ge=0)
    toolchain: str
    suite: Suite
    origin: Origin = Origin.EPISODE
    episode: str = ""
    """``WORKSPACE#FIRST_SEQ`` of the episode, where mining knows it; a dataset never parts examples of one episode."""


class Task(Record):
    """A question with a judge: the edit is withheld, verdicts decide."""

    id: str
    author: str
    base: TreeId
    prompt: str
    diagnostics: tuple[Diagnostic, ...]
    category: Category
    suite: Suite
    max_changed_lines: int = Field(default=10, ge=1)
    """A fix that changes more lines than this does not count."""
