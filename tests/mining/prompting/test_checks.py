"""What a model may not say: each rule, on answers as models give them."""

import pytest

from greenloop.mining.changed import ChangedFile
from greenloop.mining.prompting.checks import DESCRIPTION_CHECKS, PROMPT_CHECKS, Asked
from greenloop.mining.prompting.evidence import evidence
from greenloop.mining.prompting.few_shot import SHOTS
from greenloop.mining.prompting.form import Form, Length, Style, form_of
from greenloop.mining.prompting.rules import phrases
from greenloop.records import Category, Diagnostic, Severity, Span

OLD = b"let area r = pi *. r *. r\nlet double_all xs = List.map (fun x -> x * 2) xs\n"
NEW = b"let tau = 6.28\nlet area r = tau /. 2. *. r *. r\nlet double_all xs = List.map (fun x -> x * 2) xs\n"
ERROR = Diagnostic(
    severity=Severity.ERROR,
    category=Category.UNBOUND,
    message="Unbound value pi",
    path="lib/shapes.ml",
    span=Span(line=1, column=13, end_line=1, end_column=15),
)
FILES = [ChangedFile("lib/shapes.ml", OLD, NEW)]
HELD = evidence(Category.UNBOUND, [ERROR], FILES, [("lib/shapes.mli", "val area : float -> float\n")])


def against(text: str, form: Form | None) -> str | None:
    checks = DESCRIPTION_CHECKS if form is None else PROMPT_CHECKS
    return next((check.name for check in checks if check.fails(text, Asked(HELD, form))), None)


def prompt(text: str) -> str | None:
    """Ask for exactly the form that the text has, so that only the other rules speak."""
    return against(text, form_of(text) or Form(Length.LONG, Style.IMPERATIVE))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "empty"),
        (" \n ?", "empty"),
        ("fix it " * 30, "too long"),
        ("fix this\nand that", "too long"),
        ("fix \x1b[31mthe error in area", "a character that nobody types"),
        ("fix the error\0 in area", "a character that nobody types"),
        ("fix \u202ethe error in area", "a character that nobody types"),
        ("fix the \u200berror in area", "a character that nobody types"),
        ("fix the error\u2028in area", "a character that nobody types"),
        ("fix the error in area \ud83d", "a character that nobody types"),
        ("I'm sorry, but I cannot help with that.", "a refusal, or talk"),
        ("As an AI language model I can't", "a refusal, or talk"),
        ("Here is the request: fix it", "a refusal, or talk"),
        ("fix ```let area r = r```", "code, a link or a hash"),
        ("see https://example.org/issues and fix it", "code, a link or a hash"),
        ("fix what commit deadbeef12 broke", "code, a link or a hash"),
        (SHOTS[0].requests[0][1], "a few-shot example again"),
        (SHOTS[0].requests[0][1].upper() + "!", "a few-shot example again"),
        ("please fix the unbound baskets in harvest.ml", "a few-shot example again"),
        ("fix the error on line 1", "a line number"),
        ("fix the syntax error in area", "another class of error"),
        ("use tau in area", "hindsight"),
        ("use Tau in area", "hindsight"),
        ("fix area in lib/circles.ml", "names what is not there"),
        ("fix area in area.ml", "names what is not there"),
        ("fix area in lib/area", "names what is not there"),
        ("fix perimeter", "names what is not there"),
        ("fix Shapes.perimeter", "names what is not there"),
        ("fix double_some", "names what is not there"),
        ("divide by 17", "names what is not there"),
        ("fix the parser", "names what is not there"),
    ],
)
def test_a_prompt_is_refused_by_the_rule_that_it_breaks(text: str, name: str) -> None:
    assert prompt(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "fix that error",
        "pi is unbound in area, please fix it",
        "Fix the unbound value in lib/shapes.ml.",
        "why doesn't `area` compile?",
        "area in shapes.ml and its interface in shapes.mli do not fit together",
        "can you look at double_all, it's broken",
        "Shapes.area uses pi, which isn't known",
        "doubling all of them by 2 works, area's pi doesn't",
        "I tried to fix area and it still fails",
    ],
)
def test_true_words_pass(text: str) -> None:
    assert prompt(text) is None


def test_the_drawn_form_is_kept_to() -> None:
    wanted = Form(Length.SHORT, Style.QUESTION)
    assert against("can you fix that error?", wanted) is None
    assert against("fix it?", wanted) == "not of the drawn length"
    assert against("please fix that error", wanted) == "not of the drawn style"


def test_a_description_may_know_the_new_code_and_nothing_else() -> None:
    assert against("area used pi, which is unbound. The change adds tau, 6.28, and uses it.", None) is None
    assert against("The change adds tau and radius.", None) == "names what is not there"
    assert against("The change adds tau, 3.14.", None) == "names what is not there"
    assert against(SHOTS[1].description, None) == "a few-shot example again"
    assert against("The change uses tau. " * 30, None) == "too long"


def test_what_the_rules_say_passes_the_checks_of_a_model() -> None:
    for one in phrases(Category.UNBOUND, [ERROR], FILES):
        assert against(one.text, one.form) is None, one.text
