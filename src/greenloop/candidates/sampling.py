"""The model as a source: a question is rendered once, and each reply is read as an edit."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from greenloop.candidates.source import Proposal
from greenloop.models.altering import Altering
from greenloop.models.seam import Halt, Message, Model, Reply, Request
from greenloop.prompts.explain import Explained, explain
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Context, Question
from greenloop.prompts.recipes import DEFAULT, Recipe
from greenloop.prompts.render import render
from greenloop.prompts.reply import read_reply
from greenloop.prompts.retrieval.seam import Index
from greenloop.records import Asking, Edit, EditError, InputError, ModelError, ReplaceBlocks
from greenloop.workspace.edits.grammar import replacement_start
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True, slots=True)
class Sampling:
    """How many replies are taken, and how: ``greedy`` of them (0 or 1) at temperature 0, then ``sampled`` ones.

    A second greedy reply would be the first again. ``seed`` is that of the first sampled reply.
    """

    greedy: int = 1
    sampled: int = 3
    temperature: float = 0.8
    max_tokens: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if self.greedy not in (0, 1) or self.sampled < 0 or self.greedy + self.sampled < 1:
            raise InputError(
                f"{self.greedy} greedy and {self.sampled} sampled replies were asked for",
                "ask for at most one greedy reply, and for one reply at the least",
            )
        if self.sampled and self.temperature <= 0:
            raise InputError(
                f"{self.sampled} replies at temperature {self.temperature} would all be the same",
                "sample at a temperature above 0, 0.8 for example, or take the one greedy reply",
            )


class ModelSource:
    """Asks ``model`` as ``asking`` says.

    ``recipe`` says who chooses the context, ``index`` where code is searched for; see ``prompts.gather``.
    """

    def __init__(
        self,
        model: Model,
        sampling: Sampling,
        asking: Asking,
        *,
        recipe: Recipe = DEFAULT,
        index: Index | None = None,
    ) -> None:
        self._model = model
        self._sampling = sampling
        self._asking = asking
        self._recipe = recipe
        self._index = index

    @property
    def label(self) -> str:
        """The model's name."""
        return self._model.name

    def context(self, store: TreeStore, question: Question) -> Context:
        """Return what the model is shown for ``question``."""
        return gather(store, question, budget=self._asking.budget_tokens, recipe=self._recipe, index=self._index)

    def explained(self, store: TreeStore, question: Question) -> Explained:
        """Return what the model is sent for ``question``, part by part, chosen anew: it comes out the same."""
        return explain(question, self.context(store, question), self._asking.strategy)

    def proposals(self, store: TreeStore, question: Question) -> Iterator[Proposal]:
        """Yield one proposal a reply, the greedy one first."""
        context = self.context(store, question)
        messages = render(question, context, self._asking.strategy)
        sampling = self._sampling
        if sampling.greedy:
            yield from self._ask(messages, context, n=1, temperature=0.0)
        if sampling.sampled:
            yield from self._ask(messages, context, n=sampling.sampled, temperature=sampling.temperature)

    def _ask(
        self, messages: tuple[Message, ...], context: Context, *, n: int, temperature: float
    ) -> Iterator[Proposal]:
        request = Request(
            messages, n=n, temperature=temperature, max_tokens=self._sampling.max_tokens, seed=self._sampling.seed
        )
        start = time.monotonic()
        replies = self._model.complete(request)
        seconds = (time.monotonic() - start) / n
        for index, reply in enumerate(replies):
            first = proposal_of(self.label, reply, context, greedy=temperature == 0.0, seconds=seconds)
            yield altered(self._model, request, index, first, context) if is_copy(first.edit) else first


def is_copy(edit: Edit | EditError) -> bool:
    """Whether an edit puts back what it finds, and nothing else."""
    return isinstance(edit, Edit) and all(
        isinstance(file, ReplaceBlocks)
        and file.executable is None
        and all(block.search == block.replace for block in file.blocks)
        for file in edit.files
    )


def altered(
    model: Model, request: Request, index: int, copy: Proposal, context: Context, stop: Halt | None = None
) -> Proposal:
    """Return ``copy``, reply ``index`` of ``request``, drawn anew; itself where the model cannot do that.

    What it looks for stays: it is drawn from where it begins to say what is new. Raises ``Cancelled`` once ``stop`` is
    requested.
    """
    if not isinstance(model, Altering) or copy.reply is None:
        return copy
    began = time.monotonic()
    try:
        again = model.altered(request, index, copy.reply, copy.reply[: replacement_start(copy.reply)], stop)
    except ModelError:
        # the copy is an answer, and is told to be one that changes nothing
        again = None
    if again is None:
        return copy
    took = time.monotonic() - began
    return proposal_of(copy.label, again, context, greedy=copy.greedy, seconds=copy.seconds + took)


def proposal_of(label: str, reply: Reply, context: Context, *, greedy: bool = False, seconds: float = 0.0) -> Proposal:
    """Return what a model called ``label`` replied, shown ``context``, as a proposal; the rest as in ``Proposal``."""
    return Proposal(
        label,
        _read_as_edit(reply, context),
        reply=reply.text,
        finish_reason=reply.finish_reason,
        greedy=greedy,
        prompt_tokens=reply.prompt_tokens,
        reply_tokens=reply.reply_tokens,
        seconds=seconds,
    )


def _read_as_edit(reply: Reply, context: Context) -> Edit | EditError:
    """Return the edit that a reply spells out, or why it holds none: for a reply that was cut off, that too."""
    if not reply.text.strip():
        return EditError("the model answered nothing", "ask again, or use another model", reason="empty")
    try:
        return read_reply(reply.text, context)
    except EditError as error:
        if reply.finish_reason == "length":
            return EditError(
                f"{error.message}; the reply was cut off at the limit of tokens",
                "allow more tokens for a reply",
                reason="cut-off",
            )
        return error
