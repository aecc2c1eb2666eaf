"""What the book of models keeps: versions of named models, where each comes from, and how it scored."""

import re
from typing import Literal

from pydantic import Field

from greenloop.records import Asking, InputError, Part, Record
from greenloop.records.base import Count, UnixTime

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
RESERVED = ("default", "local", "openai", "own", "scripted", "smollm2")
"""Names that mean something else to ``open_model``."""
_REFERENCE = re.compile(rf"(?:own:)?(?P<name>{NAME.pattern})(?:@(?P<number>[1-9][0-9]{{0,8}}))?")


class Lineage(Part):
    """Where a version comes from; empty texts where nobody said."""

    origin: Literal["run", "adapter", "gguf"]
    base: str = ""
    base_sha256: str = ""
    run: str = ""
    """Id of the training run."""
    kind: str = ""
    """What kind of training it was: ``sft``, ``rl``, ``rejection``."""
    status: str = ""
    """``finished``, or ``stopped`` before its end."""
    parent: str = ""
    """The run that this one went on from."""
    asking: Asking | None = None
    """How the prompts were rendered that it learnt from, and so how it is asked; ``None`` where nobody said."""
    dataset: str = ""
    """Version of the dataset."""
    recipe_sha256: str = ""
    greenloop: str = ""
    """The Greenloop that trained it."""


class Figure(Part):
    """One score in 0 … 1 over ``tasks`` tasks, with its 95 % interval where there is one."""

    name: str
    value: float = Field(ge=0, le=1)
    tasks: Count
    low: float | None = None
    high: float | None = None


class Scored(Part):
    """What an evaluation of a version came to."""

    time: UnixTime
    dataset: str
    greedy: Count
    sampled: Count
    """Samples a task: the greedy ones, and the sampled ones."""
    figures: tuple[Figure, ...]
    blocked: bool = False
    """Whether its check for degenerate output (deferrals, empty edits, copies, loops) failed."""
    why: str = ""
    """Why it is blocked."""

    @property
    def occasion(self) -> tuple[str, int, int]:
        """What a later evaluation must share to take the place of this one."""
        return self.dataset, self.greedy, self.sampled


class Version(Part):
    """One version of a named model; its files never change."""

    number: int = Field(ge=1)
    added: UnixTime
    model: str = ""
    """SHA-256 of the model's GGUF file in the book; empty: the embedded SmolLM2."""
    adapter: str = ""
    """SHA-256 of the LoRA adapter's GGUF file in the book; empty: there is none."""
    bytes: Count
    """Size of what was trained: of the adapter, or of the whole model."""
    lineage: Lineage
    scores: tuple[Scored, ...] = ()
    """Newest last, one for each dataset and way of sampling."""

    @property
    def blocked(self) -> str:
        """Why it may not become the default; empty when it may."""
        return next((one.why or "its evaluation's check failed" for one in self.scores if one.blocked), "")

    @property
    def files(self) -> frozenset[str]:
        """Digests of its files in the book."""
        return frozenset({self.model, self.adapter} - {""})


class Change(Part):
    """One line of the book's history."""

    time: UnixTime
    what: Literal["add", "use", "rollback", "remove"]
    model: str
    """What it was done to, as ``own:NAME@VERSION``; of a rollback what it went back to: that, or ``local``."""


class Page(Record):
    """All of the book."""

    models: dict[str, tuple[Version, ...]] = Field(default_factory=dict)
    """Name → its versions, oldest first."""
    numbered: dict[str, int] = Field(default_factory=dict)
    """Name → the highest number that a version ever had: numbers are not given twice."""
    chosen: tuple[str, ...] = ()
    """The defaults, the present one last, each as ``own:NAME@VERSION``; none: ``local``."""
    history: tuple[Change, ...] = ()


def reference(name: str, number: int) -> str:
    """Return the full name of a version."""
    return f"own:{name}@{number}"


def parse(text: str) -> tuple[str, int | None] | None:
    """Read ``NAME``, ``NAME@VERSION`` or either after ``own:``; ``None`` when it is no such thing."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        return None
    return found["name"], int(found["number"]) if found["number"] else None


def check_name(name: str) -> None:
    """Raise ``InputError`` unless a model may be called so."""
    if name in RESERVED:
        raise InputError(f"{name!r} already means something else", "choose another name")
    if NAME.fullmatch(name) is None:
        raise InputError(
            f"{name!r} cannot name a model", "take up to 64 lower-case letters, digits, dots, dashes and underscores"
        )
