"""What was said before, and what became of a reply, as messages."""

from collections.abc import Callable

from greenloop.models.seam import Message
from greenloop.prompts.conversation import MAX_ERRORS, Exchange, with_errors, with_history, with_refusal
from greenloop.records import Diagnostic

ASKED = (Message("system", "be brief"), Message("user", "the code\n\nmake it two"))


def test_earlier_exchanges_stand_before_the_question_and_say_what_became_of_them() -> None:
    earlier = [Exchange("make it one", "edit one", written=True), Exchange("make it red", "edit red", written=False)]
    told = with_history(ASKED, earlier, budget=1000)
    assert [message.role for message in told] == ["system", *["user", "assistant"] * 4, "user"]
    assert (told[0], told[-1]) == (ASKED[0], ASKED[1])
    assert [told[1].content, told[2].content] == ["make it one", "edit one"]
    assert "have written" in told[3].content
    assert "have not written" in told[7].content


def test_the_newest_are_kept_where_there_is_no_room_for_all() -> None:
    earlier = [Exchange(f"request {n} " + "word " * 30, f"edit {n}", written=False) for n in range(9)]
    told = with_history(ASKED, earlier, budget=150)
    kept = [message.content.split()[1] for message in told if message.content.startswith("request")]
    assert kept
    assert kept == [str(n) for n in range(9 - len(kept), 9)]
    assert with_history(ASKED, earlier, budget=1) == ASKED


def test_a_red_reply_comes_back_with_the_first_errors_and_their_lines(
    type_error: Callable[[str, int], Diagnostic],
) -> None:
    errors = [type_error("a.ml", line) for line in range(1, 9)]
    told = with_errors(ASKED, "the edit", errors, [["let x = 1", "let y = wrong thing"]] * 8)
    assert told[:2] == ASKED
    assert told[2] == Message("assistant", "the edit")
    assert told[3].content.count("This expression has type string") == MAX_ERRORS
    assert "2 | let y = wrong thing" in told[3].content


def test_a_reply_that_does_not_apply_comes_back_with_the_reason() -> None:
    told = with_refusal(ASKED, "the edit", "no such lines in a.ml; nearest: let x = 1")
    assert "nearest: let x = 1" in told[-1].content
