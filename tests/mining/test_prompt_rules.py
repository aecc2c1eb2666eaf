"""Prompts are short, true, varied, the same for the same example, and without hindsight."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.mining.changed import ChangedFile
from greenloop.mining.prompt_rules import ALWAYS, hindsight, leaks, prompt_for
from greenloop.records import Category, Diagnostic, Severity, Span

OLD = b"let area r = pi *. r\nlet double x = x ^ x\n"
NEW = b"let tau = 6.28\nlet area r = tau *. r\nlet double x = x ^ x\n"


def error(message: str = "Unbound value pi", line: int = 1, path: str = "lib/shapes.ml") -> Diagnostic:
    span = Span(line=line, column=13, end_line=line, end_column=15)
    return Diagnostic(severity=Severity.ERROR, category=Category.UNBOUND, message=message, path=path, span=span)


def prompts(category: Category, diagnostic: Diagnostic, new: bytes = NEW) -> set[str]:
    files = [ChangedFile("lib/shapes.ml", OLD, new)]
    found = {prompt_for(str(number), category, [diagnostic], files) for number in range(400)}
    assert None not in found
    return {prompt for prompt in found if prompt is not None}


def test_styles_vary_by_example_and_never_by_run() -> None:
    found = prompts(Category.UNBOUND, error())
    assert {"fix that error", "pi is unbound, fix that", "fix the error in area", "fix the error in shapes.ml"} <= found
    assert prompts(Category.UNBOUND, error()) == found
    assert all(len(prompt) < 60 for prompt in found)


def test_most_prompts_just_ask_to_fix_it() -> None:
    files = [ChangedFile("lib/shapes.ml", OLD, NEW)]
    given = [prompt_for(str(number), Category.TYPE, [error()], files) for number in range(1000)]
    plain = {style.wording for style in ALWAYS if "{" not in style.wording}
    assert sum(prompt in plain for prompt in given) > 600


def test_names_are_those_of_the_error_in_the_old_code() -> None:
    found = prompts(Category.TYPE, error("This expression has type float", line=2))
    assert any("double" in prompt for prompt in found)
    assert not any("area" in prompt or "tau" in prompt for prompt in found)


def test_every_category_has_true_words() -> None:
    assert "fix the syntax error" in prompts(Category.SYNTAX, error("Syntax error"))
    assert "make the tests pass" in prompts(Category.TEST, error("1 test failed"))
    assert "fix that warning" in prompts(Category.WARNING, error("unused variable x"))
    assert not any("compile" in prompt for prompt in prompts(Category.TEST, error("1 test failed")))
    nowhere = Diagnostic(severity=Severity.ERROR, category=Category.OTHER, message="linking failed")
    assert prompts(Category.OTHER, nowhere) >= {"fix that error", "fix this"}


def test_a_word_that_only_the_new_code_has_is_never_used() -> None:
    # the new code happens to bring the words of many prompts
    found = prompts(Category.UNBOUND, error(), NEW + b"let fix that = that let error = fix\n")
    assert found
    assert not any(re.search(r"\b(fix|that|error)\b", prompt) for prompt in found)
    hopeless = " ".join(style.wording for style in ALWAYS).replace("{", " ").replace("}", " ").encode()
    words = hopeless + b" is unbound the name value Fix That"
    assert prompt_for("1", Category.UNBOUND, [error()], [ChangedFile("lib/shapes.ml", OLD, words)]) is None


NAMES = st.lists(st.sampled_from(["pi", "tau", "area", "fix", "error", "this", "compile", "x"]), max_size=8)


@settings(deadline=None)
@given(NAMES, NAMES, st.integers(0, 500), st.sampled_from(list(Category)))
def test_no_hindsight_and_no_line_numbers(old: list[str], new: list[str], number: int, category: Category) -> None:
    files = [ChangedFile("lib/shapes.ml", " ".join(old).encode(), " ".join(new).encode())]
    diagnostic = error("Unbound value pi\nHint: line 7 knows better", line=1)
    hidden = hindsight([diagnostic], files)
    assert hidden == set(new) - set(old) - {"pi"}
    prompt = prompt_for(str(number), category, [diagnostic], files)
    if prompt is not None:
        assert not leaks(prompt, hidden)
        assert not set(re.findall(r"[\w']+", prompt)) & hidden
        assert not re.search(r"\d", prompt)
