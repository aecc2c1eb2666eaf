"""Of several fixes the one that the model holds likeliest comes first."""

from collections.abc import Callable, Mapping

import pytest

from greenloop.builds.scripted import ScriptedJudge
from greenloop.candidates.attempt import Attempt
from greenloop.candidates.examine import Rules, examine
from greenloop.candidates.ranking import distinct, ranked
from greenloop.candidates.source import ScriptedSource
from greenloop.candidates.weighing import ModelWeigher
from greenloop.models.scripted import ScriptedModel
from greenloop.prompts.question import Question
from greenloop.records import Asking, Block, Diagnostic, Edit, ReplaceBlocks, Status, Suite, TreeId
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]
ErrorAt = Callable[..., Diagnostic]
TEXT = 'let x = 1 + "2"\n'
REST = "".join(f"let name{number} = {number}\n" for number in range(9))


def put(text: str) -> Edit:
    block = Block(search=TEXT, replace=f"let x = {text}\n")
    return Edit(files=(ReplaceBlocks(path="a.ml", blocks=(block,)),))


def first_line(store: TreeStore, tree: TreeId) -> str:
    return (store.read(tree, "a.ml") or b"").decode().partition("\n")[0]


@pytest.fixture
def question(write: Write, type_error: ErrorAt) -> Question:
    return Question(write({"a.ml": TEXT + REST}), "fix it", (type_error("a.ml", 1),))


def attempts_of(store: TreeStore, question: Question, *texts: str) -> tuple[Attempt, ...]:
    """Judge these texts in the place of the broken line: those that end in a digit are green."""

    def script(tree: TreeId, suite: Suite) -> Status | tuple[Diagnostic, ...]:
        return Status.GREEN if first_line(store, tree)[-1:].isdigit() else question.diagnostics

    judge = ScriptedJudge(script)
    before = judge.judge(question.tree, Suite.CHECK)
    proposals = ScriptedSource([put(text) for text in texts]).proposals(store, question)
    return examine(store, judge, before, proposals, Rules())


def lines(attempts: tuple[Attempt, ...], store: TreeStore) -> list[str]:
    return [first_line(store, one.result)[8:] for one in ranked(distinct(attempts)) if one.result]


def test_the_likeliest_fix_comes_first(store: TreeStore, question: Question) -> None:
    asked: list[str] = []

    def likelihood(reply: str) -> float:
        asked.append(reply)
        return 0.0 if "5" in reply else -9.0

    attempts = attempts_of(store, question, "1 + 2", "1 + 5", "1 + x", "1 + 4", "1 + 2")
    assert lines(attempts, store)[0] == "1 + 2"
    weigher = ModelWeigher(ScriptedModel([], likelihoods=likelihood), Asking(budget_tokens=400))
    weighed = weigher.weighed(store, question, attempts)
    assert lines(weighed, store)[0] == "1 + 5"
    assert lines(weighed, store)[-1] == "1 + x", "what is no fix stays behind"
    assert asked == [f"a.ml\n<<<<\n{TEXT}====\nlet x = {text}\n>>>>\n" for text in ("1 + 2", "1 + 5", "1 + 4")]
    assert [one.index for one in weighed] == [one.index for one in attempts]
    assert weighed[2].preference is None
    assert weighed[1].preference == pytest.approx(0.0, abs=1e-3)
    assert weigher.weighed(store, question, weighed) == weighed, "asked again, it says the same"


def test_those_beyond_the_bound_count_as_the_least_likely(store: TreeStore, question: Question) -> None:
    model = ScriptedModel([], likelihoods=lambda reply: -3.0 if "+ 1" in reply else 0.0)
    attempts = attempts_of(store, question, "1 + 0", "1 + 1", "1 + 2")
    weighed = ModelWeigher(model, Asking(budget_tokens=400), most=2).weighed(store, question, attempts)
    assert weighed[2].preference == weighed[1].preference is not None
    assert lines(weighed, store)[0] == "1 + 0"


def test_one_fix_is_not_weighed(store: TreeStore, question: Question) -> None:
    def never(reply: str) -> float:
        raise AssertionError(reply)

    weigher = ModelWeigher(ScriptedModel([], likelihoods=never), Asking(budget_tokens=400))
    for texts in (("1 + 2", "1 + x"), ("1 + x", "2 + y"), ()):
        attempts = attempts_of(store, question, *texts)
        assert weigher.weighed(store, question, attempts) == attempts
