"""A model as a source: what is asked of it, and how each reply is read."""

from collections.abc import Callable, Mapping

import pytest

from greenloop.builds.stop import Stop
from greenloop.candidates.sampling import ModelSource, Sampling
from greenloop.candidates.streaming import Complete, Piece, streamed
from greenloop.models.scripted import ScriptedModel
from greenloop.models.seam import Halt, Model, Reply, Request
from greenloop.prompts.question import Question
from greenloop.prompts.render import render
from greenloop.records import Asking, Cancelled, Diagnostic, Edit, EditError, InputError, ModelError, TreeId
from greenloop.workspace.edits import apply
from greenloop.workspace.edits.grammar import replacement_start
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]

FIX = 'a.ml\n<<<<\nlet x = 1 + "2"\n====\nlet x = 1 + 2\n>>>>\n'


@pytest.fixture
def question(write: Write, type_error: Callable[[str, int], Diagnostic]) -> Question:
    return Question(write({"a.ml": 'let x = 1 + "2"\n'}), "Fix this error.", (type_error("a.ml", 1),))


def test_the_greedy_reply_comes_first_and_the_sampled_ones_at_their_temperature(
    store: TreeStore, question: Question
) -> None:
    model = ScriptedModel([FIX, FIX, "nothing of use"], name="m")
    source = ModelSource(
        model, Sampling(greedy=1, sampled=2, temperature=0.7, max_tokens=99, seed=5), Asking(budget_tokens=800)
    )
    proposals = list(source.proposals(store, question))

    assert [(request.n, request.temperature) for request in model.requests] == [(1, 0.0), (2, 0.7)]
    assert {(request.max_tokens, request.seed) for request in model.requests} == {(99, 5)}
    asked = model.requests[0].messages[-1].content
    assert 'let x = 1 + "2"' in asked
    assert "Fix this error." in asked
    assert [proposal.greedy for proposal in proposals] == [True, False, False]
    assert [proposal.label for proposal in proposals] == ["m"] * 3
    assert [proposal.reply for proposal in proposals] == [FIX, FIX, "nothing of use"]
    assert proposals[0].prompt_tokens > 10
    assert isinstance(proposals[0].edit, Edit)
    assert store.read(apply(store, question.tree, proposals[0].edit).tree, "a.ml") == b"let x = 1 + 2\n"
    assert isinstance(proposals[2].edit, EditError)


@pytest.mark.parametrize("text", ["", " \n\t\n"])
def test_an_empty_reply_is_told_apart_from_nonsense(store: TreeStore, question: Question, text: str) -> None:
    source = ModelSource(ScriptedModel([text]), Sampling(greedy=1, sampled=0), Asking(budget_tokens=800))
    (proposal,) = source.proposals(store, question)
    assert isinstance(proposal.edit, EditError)
    assert proposal.edit.reason == "empty"


class _CutOff(Model):
    """Stops in the middle of a block, at the limit of tokens."""

    name = "cut"

    def complete(self, request: Request) -> tuple[Reply, ...]:
        return (Reply(FIX[: FIX.index("====") + 7], "length", 1, 1),) * request.n

    def close(self) -> None:
        """Holds nothing."""


def test_a_reply_that_ran_out_of_tokens_says_so(store: TreeStore, question: Question) -> None:
    (proposal,) = ModelSource(_CutOff(), Sampling(greedy=1, sampled=0), Asking(budget_tokens=800)).proposals(
        store, question
    )
    assert isinstance(proposal.edit, EditError)
    assert proposal.edit.reason == "cut-off"
    assert "cut off" in proposal.edit.message


def test_a_model_that_fails_is_not_swallowed(store: TreeStore, question: Question) -> None:
    source = ModelSource(ScriptedModel([]), Sampling(greedy=1, sampled=0), Asking(budget_tokens=800))
    with pytest.raises(ModelError):
        list(source.proposals(store, question))


@pytest.mark.parametrize(("greedy", "sampled", "temperature"), [(0, 0, 0.8), (2, 1, 0.8), (0, -1, 0.8), (1, 2, 0.0)])
def test_a_sampling_that_makes_no_sense_is_refused(greedy: int, sampled: int, temperature: float) -> None:
    with pytest.raises(InputError):
        Sampling(greedy=greedy, sampled=sampled, temperature=temperature)


class Stubborn(ScriptedModel):
    """Copies whatever it is asked, and says something else when it must."""

    def __init__(self, replies: list[str], other: str | None) -> None:
        super().__init__(lambda _request: replies)
        self.other = other
        self.told: list[tuple[int, str, str]] = []

    def altered(self, request: Request, index: int, reply: str, kept: str, stop: Halt | None = None) -> Reply | None:
        self.told.append((index, reply, kept))
        if stop is not None:
            stop.check()
        return Reply(kept + self.other) if self.other is not None else None


COPY = "a.ml\n<<<<\nlet x = 1\n====\nlet x = 1\n>>>>\n"
CHANGE = COPY.replace("= 1\n>", "= 2\n>")


def test_a_reply_that_changes_nothing_is_drawn_anew(store: TreeStore, question: Question) -> None:
    with Stubborn([COPY, CHANGE], "let x = 3\n>>>>\n") as model:
        source = ModelSource(model, Sampling(greedy=1, sampled=2), Asking(budget_tokens=400))
        said = [one.reply for one in source.proposals(store, question)]
    three = CHANGE.replace("2", "3")
    assert said == [three, three, CHANGE]
    assert model.told == [(0, COPY, COPY[: COPY.index("====") + 5])] * 2


def test_a_reply_stands_where_there_is_no_other(store: TreeStore, question: Question) -> None:
    with Stubborn([COPY], None) as model:
        source = ModelSource(model, Sampling(greedy=1, sampled=0), Asking(budget_tokens=400))
        assert [one.reply for one in source.proposals(store, question)] == [COPY]


def test_a_copy_stands_where_the_model_fails_to_draw_it_anew(store: TreeStore, question: Question) -> None:
    class Failing(Stubborn):
        def altered(
            self, request: Request, index: int, reply: str, kept: str, stop: Halt | None = None
        ) -> Reply | None:
            raise ModelError("it did not keep to the text")

    with Failing([COPY], None) as model:
        source = ModelSource(model, Sampling(greedy=1, sampled=1), Asking(budget_tokens=400))
        assert [one.reply for one in source.proposals(store, question)] == [COPY, COPY]


@pytest.mark.parametrize(
    "reply",
    [
        CHANGE,
        COPY.replace("<<<<\n", "<<<< +x\n<<<<\n"),
        COPY.replace("\n====\nlet", "\n====\n  let"),
        COPY + CHANGE.partition("\n")[2],
        "nothing of use",
    ],
)
def test_what_changes_a_mode_an_indentation_or_a_second_block_is_no_copy(
    store: TreeStore, question: Question, reply: str
) -> None:
    with Stubborn([reply], "let x = 3\n>>>>\n") as model:
        source = ModelSource(model, Sampling(greedy=1, sampled=0), Asking(budget_tokens=400))
        assert [one.reply for one in source.proposals(store, question)] == [reply]


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        (COPY, COPY[: COPY.index("====") + 5]),
        ("a.ml\n<<<<<\n====\n=====\\\n====\n>>>>>\n", "a.ml\n<<<<<\n====\n=====\\\n"),
        ("====\n", ""),
        ("", ""),
    ],
)
def test_what_a_reply_looks_for_ends_where_its_block_says(reply: str, kept: str) -> None:
    assert reply[: replacement_start(reply)] == kept


def test_streamed_replies_are_drawn_anew_behind_the_others(store: TreeStore, question: Question) -> None:
    asking = Asking(budget_tokens=400)
    with Stubborn([COPY, CHANGE], "let x = 3\n>>>>\n") as model, Stop() as stop:
        source = ModelSource(model, Sampling(), asking)
        context = source.context(store, question)
        messages = render(question, context, asking.strategy)
        sampling = Sampling(greedy=0, sampled=2)
        chunks = list(streamed(model, messages, context, sampling, stop, start=4))
        ends = [(one.candidate, one.proposal.reply) for one in chunks if isinstance(one, Complete)]
        three = CHANGE.replace("2", "3")
        assert ends == [(5, CHANGE), (4, three)]
        shown = "".join(one.text for one in chunks if isinstance(one, Piece) and one.candidate == 4)
        assert shown == f"{COPY}\n\n{three}"
        said = streamed(model, messages, context, Sampling(greedy=1, sampled=0), stop)
        assert isinstance(next(said), Piece)
        stop.request()
        with pytest.raises(Cancelled):
            list(said)
