"""A dataset's task, its completions read and judged, whatever framework asks."""

import asyncio
import json

import pytest

from greenloop.ces.adapters.task import EditTask, judge, text_of, worth
from greenloop.ces.adapters.trl import reward_function
from greenloop.ces.adapters.verl import scorer
from greenloop.ces.policy import reward
from greenloop.ces.scripted import ScriptedBackend
from greenloop.prompts.question import Context, Piece
from greenloop.records import (
    Block,
    Edit,
    Evaluation,
    EvaluationRequest,
    HiddenFile,
    InfrastructureError,
    InputError,
    Overloaded,
    RecordError,
    ReplaceBlocks,
    Rung,
    Status,
    Suite,
    WriteFile,
)
from greenloop.workspace.edits import render_reply

OLD = "let area width height = width + height\n"
EDIT = Edit(files=(ReplaceBlocks(path="lib/shape.ml", blocks=(Block(search="+", replace="*"),)),))
WHOLE = Edit(files=(ReplaceBlocks(path="lib/shape.ml", blocks=(Block(search=OLD, replace=OLD.replace("+", "*")),)),))
REQUEST = EvaluationRequest(
    revision="shapes@main",
    edit=EDIT,
    suite=Suite.BUILD,
    hidden=(HiddenFile(path="test/hidden.ml", content="assert false"),),
    repeats=3,
    allowed=("doc/*",),
)
SHOWN = Context(
    pieces=(Piece("lib/shape.ml", 1, OLD, 1),), errors=(), tokens=9, tree_paths=frozenset({"lib/shape.ml", "dune"})
)


def run(service: ScriptedBackend, completion: str, task: EditTask | None = None) -> Evaluation:
    return asyncio.run(judge(service, task or EditTask.of(REQUEST), completion))


def green(request: EvaluationRequest) -> Evaluation:
    return Evaluation(id="", status=Status.GREEN, rung=Rung.EXACT)


def test_a_task_is_a_request_without_its_edit_and_survives_a_dataset() -> None:
    task = EditTask.read(EditTask.of(REQUEST, SHOWN).to_json())
    assert task.asking(EDIT) == REQUEST
    assert EditTask.read(json.loads(json.dumps(task.model_dump(mode="json")))) == task
    with pytest.raises(RecordError):
        EditTask.read('{"record": "EditTask"}')
    with pytest.raises(ValueError, match="name a base"):
        EditTask(request={})


def test_a_completion_is_read_judged_and_worth_what_the_policy_says() -> None:
    service = ScriptedBackend(green)
    evaluation = run(service, render_reply(WHOLE))
    assert [request.edit for request in service.asked] == [WHOLE]
    assert service.asked[0].hidden == REQUEST.hidden
    assert worth(evaluation, reward) == 1.0


def test_what_was_shown_lets_a_reply_be_read_as_a_chat_would_be() -> None:
    service = ScriptedBackend(green)
    fenced = f"<think>width times height</think>Here:\n```ocaml\n{OLD.replace('+', '*')}```\n"
    assert run(service, fenced).reason == "no-path"
    assert run(service, fenced, EditTask.of(REQUEST, SHOWN)).green
    assert service.asked[0].edit == Edit(files=(WriteFile(path="lib/shape.ml", content=OLD.replace("+", "*")),))
    unseen = render_reply(Edit(files=(WriteFile(path="dune", content="(library)\n"),)))
    assert run(service, unseen, EditTask.of(REQUEST, SHOWN)).reason == "not-shown"


@pytest.mark.parametrize("completion", ["", "I would multiply.", "lib/shape.ml\n<<<<\nlet area"])
def test_a_completion_that_is_no_edit_is_rejected_and_nobody_is_asked(completion: str) -> None:
    service = ScriptedBackend(green)
    evaluation = run(service, completion)
    assert (evaluation.status, service.asked) == (Status.REJECTED, [])
    assert worth(evaluation, reward) == 0.0


@pytest.mark.parametrize("rung", [Rung.BLANKS, Rung.INDENTATION, Rung.TOKENS])
def test_only_the_exact_rung_counts_whatever_the_policy(rung: Rung) -> None:
    service = ScriptedBackend(lambda _request: Evaluation(id="", status=Status.GREEN, rung=rung))
    evaluation = run(service, render_reply(WHOLE))
    assert (evaluation.status, evaluation.reason) == (Status.REJECTED, "inexact")
    assert worth(evaluation, lambda one: float(one.green)) == 0.0


@pytest.mark.parametrize("fault", [
    InfrastructureError("the service is going down"), Overloaded("full"), Status.INFRA_ERROR,
])  # fmt: skip
def test_a_fault_of_the_machine_is_worth_nothing_whatever_the_policy(fault: InfrastructureError | Status) -> None:
    evaluation = run(ScriptedBackend(lambda _request: fault), render_reply(WHOLE))
    assert worth(evaluation, lambda _evaluation: 0.0) is None


def test_a_task_whose_base_is_unknown_is_the_datasets_fault() -> None:
    with pytest.raises(InputError, match="no such revision"):
        run(ScriptedBackend(lambda _request: InputError("shapes@main: no such revision")), render_reply(WHOLE))


def test_completions_are_texts_or_messages() -> None:
    chat: list[dict[str, object]] = [
        {"role": "assistant", "content": "first"},
        {"role": "tool", "content": "out"},
        {"role": "assistant", "content": [{"type": "text", "text": "la"}, {"type": "text", "text": "st"}]},
    ]
    assert text_of("plain") == "plain"
    assert text_of(chat) == "last"
    assert text_of([{"role": "assistant", "content": None}]) == ""
    assert text_of([]) == ""


def test_trls_function_keeps_the_order_and_bounds_what_is_asked_at_once() -> None:
    working: list[int] = []

    class Counting(ScriptedBackend):
        async def evaluate(self, request: EvaluationRequest) -> Evaluation:
            working.append(working[-1] + 1 if working else 1)
            await asyncio.sleep(0.01)
            working.append(working[-1] - 1)
            return await super().evaluate(request)

    task = EditTask.of(REQUEST).to_json()
    completions = [render_reply(WHOLE) if number % 2 else "prose" for number in range(20)]
    function = reward_function(Counting(green), reward, at_once=3, name="ces")
    rewards = asyncio.run(function(prompts=["p"] * 20, completions=completions, completion_ids=[], task=[task] * 20))
    assert rewards == [0.0, 1.0] * 10
    assert max(working) == 3
    assert function.__name__ == "ces"


def test_verls_function_never_calls_a_fault_zero() -> None:
    score = scorer(ScriptedBackend(lambda _request: Status.INFRA_ERROR), reward)
    with pytest.raises(InfrastructureError, match="no verdict"):
        asyncio.run(score("shapes", render_reply(WHOLE), EditTask.of(REQUEST).to_json(), {"num_turns": 1}))
