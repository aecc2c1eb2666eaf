"""A task as a dataset's row carries it, and a model's completion of it, judged."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

from pydantic import model_validator

from greenloop.prompts.question import Context, Piece
from greenloop.prompts.reply import read_reply, strip_reasoning
from greenloop.records import (
    Edit,
    EditError,
    EnvironmentFault,
    Evaluation,
    EvaluationRequest,
    Part,
    Record,
    Rung,
    Status,
)
from greenloop.workspace.edits import parse_reply

Policy = Callable[[Evaluation], float | None]
"""What an evaluation is worth to a trainer; ``None``: nothing can be said. ``ces.policy`` holds ready ones."""


class Evaluates(Protocol):
    """Judges edits: ``ces.client.AsyncClient``, or the fake that ships, ``ces.scripted.ScriptedBackend``."""

    async def evaluate(self, request: EvaluationRequest) -> Evaluation:
        """Judge one edit. Raises ``EnvironmentFault`` when no answer is to be had."""
        ...


class Shown(Part):
    """Lines of a file that the prompt showed: see ``prompts.question.Piece``."""

    path: str
    first_line: int = 1
    text: str
    file_lines: int


class EditTask(Record):
    """What a completion is to change, and how it will be judged. Only ``shown`` was seen by the model."""

    request: dict[str, Any]
    """An ``EvaluationRequest`` as JSON, without its edit."""
    shown: tuple[Shown, ...] = ()
    """What the prompt showed. With it, a completion is read as ``prompts.reply`` reads; without, strictly."""
    paths: tuple[str, ...] = ()
    """All files of the base, so that a completion cannot overwrite one that was not shown."""

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        self.asking(Edit(files=()))
        return self

    @classmethod
    def of(cls, request: EvaluationRequest, context: Context | None = None) -> Self:
        """Return the task that ``request`` is an answer to, its edit left out."""
        body = request.model_dump(mode="json", exclude={"edit", "diff"}, exclude_defaults=True)
        if context is None:
            return cls(request=body)
        shown = tuple(
            Shown(path=piece.path, first_line=piece.first_line, text=piece.text, file_lines=piece.file_lines)
            for piece in context.pieces
        )
        return cls(request=body, shown=shown, paths=tuple(sorted(context.tree_paths)))

    @classmethod
    def read(cls, value: object) -> Self:
        """Return the task in a dataset's column: a task, its JSON, or that parsed. Raises ``RecordError``."""
        if isinstance(value, cls):
            return value
        return cls.from_json(value) if isinstance(value, str) else cls.model_validate(value)

    def asking(self, edit: Edit) -> EvaluationRequest:
        """Return the request that judges ``edit``."""
        return EvaluationRequest.model_validate({**self.request, "edit": edit})

    def edit(self, completion: str) -> Edit:
        """Return the edit that a completion spells out. Raises ``EditError``."""
        if not self.shown:
            return parse_reply(strip_reasoning(completion))
        pieces = tuple(Piece(one.path, one.first_line, one.text, one.file_lines) for one in self.shown)
        known = frozenset(self.paths) | {piece.path for piece in pieces}
        return read_reply(completion, Context(pieces=pieces, errors=(), tokens=0, tree_paths=known))


async def judge(service: Evaluates, task: EditTask, completion: str) -> Evaluation:
    """Judge a completion. One that is no edit, or did not match exactly, is ``rejected``; no answer, ``infra_error``.

    Raises ``InputError`` when the service does not know the task's base: no completion can help that.
    """
    try:
        request = task.asking(task.edit(completion))
    except EditError as error:
        return Evaluation(id="", status=Status.REJECTED, reason=error.reason, note=str(error))
    try:
        evaluation = await service.evaluate(request)
    except EnvironmentFault as error:
        return Evaluation(id="", status=Status.INFRA_ERROR, reason="infrastructure", note=str(error))
    if evaluation.rung in (None, Rung.EXACT) or evaluation.status is Status.INFRA_ERROR:
        return evaluation
    # an edit that only nearly names its place is no skill to train: it would be rewarded for the matcher's kindness
    return evaluation.model_copy(update={"status": Status.REJECTED, "reason": "inexact"})


def worth(evaluation: Evaluation, policy: Policy) -> float | None:
    """Return what ``policy`` gives, and ``None`` for a fault of the machine whatever the policy says."""
    return None if evaluation.status is Status.INFRA_ERROR else policy(evaluation)


def text_of(completion: str | Sequence[dict[str, Any]]) -> str:
    """Return what the model said last: completions are texts, or messages in the form of chats."""
    if isinstance(completion, str):
        return completion
    said = [message.get("content") for message in completion if message.get("role") == "assistant"]
    last = said[-1] if said else ""
    if isinstance(last, str):
        return last
    return "".join(part.get("text", "") for part in last or ())
