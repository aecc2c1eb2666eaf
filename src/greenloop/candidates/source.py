"""Where candidates come from: the seam, and the fake that ships with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from greenloop.prompts.question import Question
from greenloop.records import Edit, EditError
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True, slots=True)
class Proposal:
    """An edit, or the reason why a reply holds none; ``label`` says who made it. The rest as in ``Attempt``."""

    label: str
    edit: Edit | EditError
    reply: str | None = None
    finish_reason: str = ""
    greedy: bool = False
    prompt_tokens: int = 0
    reply_tokens: int = 0
    seconds: float = 0.0
    likelihood: float | None = None


class Source(Protocol):
    """Makes proposals for a question. A model is one; a rule that needs none is another."""

    @property
    def label(self) -> str:
        """What its suggestions are signed with."""
        ...

    def proposals(self, store: TreeStore, question: Question) -> Iterator[Proposal]:
        """Yield proposals, likeliest first. Raises ``ModelError`` when a model gives no usable answer."""
        ...


@dataclass(slots=True)
class ScriptedSource:
    """The fake: proposes ``edits`` for every question, and keeps the questions in ``asked``."""

    edits: Sequence[Edit | EditError]
    label: str = "scripted"
    asked: list[Question] = field(default_factory=list)

    def proposals(self, store: TreeStore, question: Question) -> Iterator[Proposal]:  # noqa: ARG002 - the seam's
        """Yield the scripted edits in order."""
        self.asked.append(question)
        for edit in self.edits:
            yield Proposal(self.label, edit)
