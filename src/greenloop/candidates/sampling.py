"""The model as a source: a question is rendered once, and each reply is read as an edit."""

import re
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
from greenloop.records import Asking, Edit, EditError, InputError, ReplaceBlocks
from greenloop.workspace.store import TreeStore

_DIVIDER = re.compile(r"^={4,}[ \t]*\\?\n", re.MULTILINE)


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
            yield altered(self._model, request, index, first, context) or first


def altered(
    model: Model, request: Request, index: int, first: Proposal, context: Context, stop: Halt | None = None
) -> Proposal | None:
    """Return ``first``, reply ``index`` of ``request``, anew where it changes nothing and the model can do so.

    Raises as ``models.altering``.
    """
    if not isinstance(model, Altering) or first.reply is None or not changes_nothing(first.edit):
        return None
    began = time.monotonic()
    again = model.altered(request, index, first.reply, _before_the_change(first.reply), stop)
    if again is None:
        return None
    took = time.monotonic() - began
    return proposal_of(first.label, again, context, greedy=first.greedy, seconds=first.seconds + took)


def changes_nothing(edit: Edit | EditError) -> bool:
    """Whether an edit replaces what it finds by the same, up to white space around it."""
    return isinstance(edit, Edit) and all(
        isinstance(file, ReplaceBlocks) and all(block.search.strip() == block.replace.strip() for block in file.blocks)
        for file in edit.files
    )


def _before_the_change(reply: str) -> str:
    """Return a reply up to where it begins to say what is new: what it looks for stays."""
    found = _DIVIDER.search(reply)
    return reply[: found.end()] if found is not None else ""


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
