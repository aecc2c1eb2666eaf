"""What a page shows, all of it plain data."""

from dataclasses import dataclass

from greenloop.evals.scores import EvalReport
from greenloop.mining.funnel import Funnel
from greenloop.mining.timeline import Moment
from greenloop.records import Badge


@dataclass(frozen=True, slots=True)
class Number:
    """A headline number: ``value`` is text as it is to be read, with its unit."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """The history of one workspace, in order."""

    label: str
    moments: tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a diff without its line end. ``kind``: ``file``, ``hunk``, ``add``, ``remove`` or ``same``."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class SampleView:
    """One sample of a task. ``mark`` is ``fixed``, ``green``, ``red`` or ``none`` (no tree that could be judged)."""

    label: str
    mark: str
    verdict: str
    """What came of it, in one sentence."""
    flags: tuple[str, ...]
    reply: str
    diff: tuple[DiffLine, ...]


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task and its samples. ``error`` is what the toolchain said, as shown to people."""

    name: str
    prompt: str
    category: str
    author: str
    error: str
    fixed: int
    samples: tuple[SampleView, ...]


@dataclass(frozen=True, slots=True)
class FixView:
    """An attempt at repairing a red workspace, honest about how it ended.

    ``badge`` is that of the suggestion shown, ``None`` where there is nothing to show.
    """

    workspace: str
    error: str
    summary: str
    fixed: bool
    badge: Badge | None = None
    verdict: str = ""
    model: str = ""
    flags: tuple[str, ...] = ()
    diff: tuple[DiffLine, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything on the page; a part that is empty or ``None`` is said to be missing, not left out unseen.

    ``made`` says when, where and by which version; ``notes`` are sentences that a reader should know.
    """

    title: str
    subtitle: str = ""
    made: str = ""
    numbers: tuple[Number, ...] = ()
    timeline: tuple[TimelineRow, ...] = ()
    funnel: Funnel | None = None
    evaluation: EvalReport | None = None
    tasks: tuple[TaskView, ...] = ()
    tasks_left_out: int = 0
    """Tasks that were scored and are not listed, so that the page stays readable."""
    fix: FixView | None = None
    notes: tuple[str, ...] = ()
