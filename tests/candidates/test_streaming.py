"""A model's replies as proposals while they come."""

from collections.abc import Callable, Mapping

import pytest

from greenloop.builds.stop import Stop
from greenloop.candidates.sampling import Sampling
from greenloop.candidates.streaming import Complete, Piece, Switched, streamed
from greenloop.models.scripted import ScriptedModel
from greenloop.models.seam import Model, Request
from greenloop.models.several import FallbackModel
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Context, Question
from greenloop.prompts.render import render
from greenloop.records import Cancelled, Edit, EditError, ModelError, TreeId
from greenloop.workspace.store import TreeStore

GOOD = "a.ml\n<<<<\nlet x = 1\n====\nlet x = 2\n>>>>\n"
Found = list[Piece | Complete | Switched]


@pytest.fixture
def asked(store: TreeStore, write: Callable[[Mapping[str, str]], TreeId]) -> tuple[Question, Context]:
    question = Question(write({"a.ml": "let x = 1\n"}), "make it two", focus=("a.ml",))
    return question, gather(store, question, budget=800)


def run(model: Model, asked: tuple[Question, Context], sampling: Sampling, start: int = 0) -> Found:
    with Stop() as stop:
        return list(streamed(model, render(*asked), asked[1], sampling, stop, start=start))


def test_each_reply_is_a_proposal_as_soon_as_it_is_complete(asked: tuple[Question, Context]) -> None:
    model = ScriptedModel([GOOD, "no edit at all", "<think>hm</think>" + GOOD], name="m")
    found = run(model, asked, Sampling(greedy=1, sampled=2), start=5)
    complete = [one for one in found if isinstance(one, Complete)]
    assert [one.candidate for one in complete] == [5, 6, 7]
    assert [type(one.proposal.edit) for one in complete] == [Edit, EditError, Edit]
    assert [(one.proposal.greedy, one.proposal.reply) for one in complete] == [
        (True, GOOD),
        (False, "no edit at all"),
        (False, GOOD),
    ]
    said = [piece.text for piece in found if isinstance(piece, Piece) and piece.candidate == 5]
    assert "".join(said) == GOOD
    assert [piece.text for piece in found if isinstance(piece, Piece) and piece.thought] == ["hm"]
    # what was proposed comes before the next reply begins
    assert found.index(complete[0]) < next(at for at, one in enumerate(found) if getattr(one, "candidate", 0) == 6)


def test_pieces_of_two_models_never_share_a_number(asked: tuple[Question, Context]) -> None:
    def down(request: Request) -> list[str]:
        raise ModelError("down", "start it")

    model = FallbackModel([ScriptedModel(down, name="first"), ScriptedModel([GOOD], name="second")])
    found = run(model, asked, Sampling(greedy=1, sampled=0))
    assert isinstance(found[0], Switched)
    assert {one.candidate for one in found if isinstance(one, Piece | Complete)} == {1}


def test_it_ends_when_asked(asked: tuple[Question, Context]) -> None:
    with Stop() as stop:
        stop.request()
        with pytest.raises(Cancelled):
            list(streamed(ScriptedModel([GOOD]), render(*asked), asked[1], Sampling(greedy=1, sampled=0), stop))
