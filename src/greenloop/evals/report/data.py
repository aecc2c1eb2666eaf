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
    """One attempt at a task. ``mark`` is ``fixed``, ``green``, ``red`` or ``none`` (no tree that could be judged).

    ``worth``: which of *shown*, *same* and *exact* it is. ``reply`` is ``None`` where no model spoke.
    """

    label: str
    mark: str
    verdict: str
    """What came of it, in one sentence."""
    flags: tuple[str, ...]
    worth: tuple[str, ...]
    reply: str | None
    diff: tuple[DiffLine, ...]


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task and what was made of it. ``error`` is what the toolchain said, as shown to people.

    ``asked`` is the message that the model was sent, ``own`` what the person did, both empty where they are not known.
    ``facts`` are shown beside the person's words; ``keys`` are the filter's (see ``filters``). ``replies`` counts the
    model's; ``others`` the proposals of other sources that are not listed.
    """

    name: str
    prompt: str
    facts: tuple[str, ...]
    keys: tuple[str, ...]
    error: str
    asked: str
    own: tuple[DiffLine, ...]
    fixed: int
    replies: int
    samples: tuple[SampleView, ...]
    others: int = 0


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
