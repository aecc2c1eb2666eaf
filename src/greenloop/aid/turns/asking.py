"""What one turn asks its model: the question with its context, then replies given back with what was wrong."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from greenloop.aid.tools.for_models import Called, Offer, WithTools
from greenloop.aid.turns.presenting import label
from greenloop.aid.turns.sent import Sent, Talk
from greenloop.aid.workspaces.equipment import Strategy
from greenloop.aid.workspaces.workspace import Workspace
from greenloop.builds.stop import Stop
from greenloop.candidates.attempt import Attempt
from greenloop.candidates.streaming import Complete, Piece, Switched, streamed
from greenloop.models.seam import Message, Model
from greenloop.prompts.conversation import Exchange, with_errors, with_history, with_refusal
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Context, Question
from greenloop.prompts.recent import recent_edits
from greenloop.prompts.render import render
from greenloop.workspace.edits.text import split_lines
from greenloop.workspace.store import TreeStore

HISTORY_SHARE = 0.25
"""The part of the budget of tokens that what was said before may take, beside the context's."""

Streaming = Callable[[], Iterator[Piece | Complete | Switched]]


class Asking:
    """Writes the requests to ``model``, and remembers what was ``sent``. Used in the turn's own thread alone."""

    def __init__(
        self, store: TreeStore, workspace: Workspace, strategy: Strategy, model: Model, earlier: Sequence[Exchange]
    ) -> None:
        """``earlier`` is what the conversation held before, oldest first."""
        self._store = store
        self._workspace = workspace
        self._strategy = strategy
        self._model = model
        self._earlier = earlier
        self._messages: tuple[Message, ...] = ()
        self._question: Question | None = None
        self._context: Context | None = None
        self.sent: list[Sent] = []

    @property
    def talk(self) -> Talk:
        """What the model was told of tools."""
        model = self._model
        return Talk(model.offered, model.exchanges) if isinstance(model, WithTools) else Talk()

    def first(self, question: Question, stop: Stop) -> Streaming:
        """Return the request for candidates, as work for a thread."""
        strategy = self._strategy
        if any(step.plugin == "recent-edits" for step in strategy.recipe.steps):
            trees = (*self._workspace.trees, question.tree)
            question = replace(question, recent=recent_edits(self._store, trees))
        self._question = question
        self._context = gather(
            self._store, question, budget=strategy.budget_tokens, recipe=strategy.recipe, index=strategy.index
        )
        messages = render(question, self._context, strategy.asking)
        self._messages = with_history(messages, self._earlier, budget=int(strategy.budget_tokens * HISTORY_SHARE))
        return self._streamed(self._messages, stop, start=0)

    def again(self, attempt: Attempt, stop: Stop, *, start: int) -> tuple[str, Streaming]:
        """Return what is wrong with a reply, in words, and the request that gives it back; one reply is asked for."""
        reply = attempt.reply or ""
        if attempt.verdict is None or attempt.result is None:
            why, messages = attempt.detail, with_refusal(self._messages, reply, attempt.detail)
        else:
            errors = attempt.verdict.errors
            lines = [self._lines(attempt.result, error.path) for error in errors]
            why = f"the build says {label(attempt.verdict)}"
            messages = with_errors(self._messages, reply, errors, lines)
        return why, self._streamed(messages, stop, start=start, once=True)

    def _streamed(self, messages: tuple[Message, ...], stop: Stop, *, start: int, once: bool = False) -> Streaming:
        assert self._question is not None
        assert self._context is not None
        sampling = replace(self._strategy.sampling, greedy=1, sampled=0) if once else self._strategy.sampling
        self.sent.append(Sent(messages, self._question, self._context, self._strategy.asking))
        return partial(streamed, self._model, messages, self._context, sampling, stop, start=start)

    def _lines(self, tree: str, path: str | None) -> list[str]:
        content = self._store.read(tree, path) if path is not None else None
        return [line.rstrip("\r\n") for line in split_lines((content or b"").decode("utf-8", "replace"))]


def asking_of(
    store: TreeStore,
    workspace: Workspace,
    strategy: Strategy,
    earlier: Sequence[Exchange],
    offer: Offer | None,
    stop: Stop,
    tell: Callable[[Called], None],
) -> Asking | None:
    """Return what asks the strategy's model, with the tools of ``offer``; ``None`` where there is no model."""
    model = strategy.model
    if model is None:
        return None
    asked = WithTools(model, offer, stop, tell) if offer is not None else model
    return Asking(store, workspace, strategy, asked, earlier)
