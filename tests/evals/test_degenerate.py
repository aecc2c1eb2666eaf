"""Replies that block a model, and honest ones that do not."""

import pytest
from tests.evals.made import attempt, result

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.evals.degenerate import circles, copies_example, defers, degenerate, empty, unchanged
from greenloop.evals.results import TaskResult
from greenloop.prompts.render import SYSTEM
from greenloop.records import Edit
from greenloop.workspace.edits import parse_reply


def said(reply: str, *, outcome: Outcome = Outcome.UNREADABLE, edit: Edit | None = None) -> Attempt:
    return attempt(0, fixed=False, reply=reply).model_copy(update={"outcome": outcome, "edit": edit})


def edited(new: str, old: str = "let f x = x\n") -> Attempt:
    text = f"a.ml\n<<<<\n{old}====\n{new}>>>>\n"
    return said(text, outcome=Outcome.JUDGED, edit=parse_reply(text))


@pytest.mark.parametrize(
    "text",
    [
        "I'll do it tomorrow.",
        "I will fix this later",
        "We'll get to it soon.",
        "The rest is left as an exercise.",
        "(* TODO: the other case *)",
        "(* to be implemented *)",
        "not implemented yet",
        "(* your code here *)",
    ],
)
def test_putting_off_is_found_in_prose_and_in_what_an_edit_adds(text: str) -> None:
    assert defers(said(text))
    assert defers(edited(f"let f x = x (* {text} *)\n"))


@pytest.mark.parametrize(
    "text",
    ["let later = 1", "let todos = []", "let soon x = x + tomorrow", "will not", "exercise 3", "(* todo_list *)"],
)
def test_honest_words_put_nothing_off(text: str) -> None:
    assert not defers(edited(f"{text}\n"))


def test_what_the_file_said_before_is_not_the_model_s() -> None:
    old = "(* TODO: the base case *)\nlet f x = x\n"
    assert not defers(edited("(* TODO: the base case *)\nlet f x = x + 1\n", old=old))


def test_the_other_kinds() -> None:
    assert empty(said(" \n"))
    assert empty(said("nothing", edit=Edit(files=())))
    assert not empty(said("?"))
    assert unchanged(said("x", outcome=Outcome.UNCHANGED))
    assert not unchanged(edited("let f x = x + 1\n"))
    example = SYSTEM[SYSTEM.index("shopping") : SYSTEM.index(">>>>") + 5]
    assert copies_example(said(example))
    assert copies_example(said(example.replace("shopping/list.txt", "a.ml")))
    assert not copies_example(edited("let pears = three\n"))
    assert circles(said("the list is a list of the list that is a list of " * 12))
    assert not circles(said("the same " * 5))


def test_an_honest_block_that_says_its_lines_twice_is_no_circle() -> None:
    old = "".join(f"  | Case{number} (a, b) -> handle{number} a b first second third\n" for number in range(9))
    assert not circles(edited(old.replace("second", "third", 1), old=old))


def results(replies: list[str]) -> list[TaskResult]:
    return [result(f"t{number}", "a", greedy=False, sampled=(), replies=(text,)) for number, text in enumerate(replies)]


def test_one_chance_blocks_nothing_and_many_do() -> None:
    honest = [f"reply number {number}" for number in range(48)]
    assert not degenerate(results([*honest, "I'll do it tomorrow.", "fine"])).blocked
    found = degenerate(results([*honest, "I'll do it tomorrow.", "left as an exercise"]))
    assert found.blocked
    assert found.reasons == ("deferral: 4.0% of the replies, at most 2% may be",)
    assert found.rates["deferral"] == 0.04
    assert found.rates["loop"] == 0.0


def test_the_same_reply_to_every_task_blocks() -> None:
    found = degenerate(results(["let x = 1"] * 10 + [f"other {number}" for number in range(10)]))
    assert found.blocked
    assert "same reply: 50.0% of the tasks" in found.reasons[0]
    assert degenerate(results(["let x = 1"] * 4)).rates["same reply"] == 0.0


def test_nothing_to_look_at_is_no_clean_bill() -> None:
    found = degenerate([])
    assert found.blocked
    assert found.reasons == ("there is no reply to look at",)
