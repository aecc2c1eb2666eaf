"""Prompts are true, varied, the same for the same example, without hindsight, and as long as was wished for."""

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from greenloop.mining.changed import ChangedFile
from greenloop.mining.prompting.distribution import Distribution
from greenloop.mining.prompting.form import Form, Length, Style, form_of
from greenloop.mining.prompting.hindsight import hindsight, leaks
from greenloop.mining.prompting.rules import choose, phrases, prompt_for
from greenloop.mining.prompting.wordings import COMMONEST
from greenloop.records import Category, Diagnostic, Severity, Span

OLD = b"let area r = pi *. r\nlet double x = x ^ x\n"
NEW = b"let tau = 6.28\nlet area r = tau *. r\nlet double x = x ^ x\n"
TYPE = "This expression has type string but an expression was expected of type\n  int\nThe rest nobody types"


def error(message: str = "Unbound value pi", line: int = 1, path: str = "lib/shapes.ml") -> Diagnostic:
    span = Span(line=line, column=13, end_line=line, end_column=15)
    return Diagnostic(severity=Severity.ERROR, category=Category.UNBOUND, message=message, path=path, span=span)


def prompts(
    category: Category, diagnostic: Diagnostic | None, new: bytes = NEW, title: str = "", examples: int = 1000
) -> list[str]:
    files = [ChangedFile("lib/shapes.ml", OLD, new)]
    said = [] if diagnostic is None else [diagnostic]
    ladder = phrases(category, said, files, title)
    return [choose(ladder, str(number)) for number in range(examples)]


def test_prompts_vary_by_example_and_never_by_run() -> None:
    found = prompts(Category.UNBOUND, error())
    assert {"fix that error", "pi is unbound, fix that", "fix the error in area", "Fix this.", "unbound name"} <= {
        *found
    }
    assert any(prompt.startswith("can you fix ") for prompt in found)
    files = [ChangedFile("lib/shapes.ml", OLD, NEW)]
    assert [prompt_for(str(number), Category.UNBOUND, [error()], files) for number in range(30)] == found[:30]
    assert all(0 < len(prompt.split()) <= 40 for prompt in found)


def test_the_ladder_leads_from_place_and_message_to_that_error() -> None:
    steps = [
        one.text for one in phrases(Category.TYPE, [error(TYPE, line=2)], [ChangedFile("lib/shapes.ml", OLD, NEW)])
    ]
    wanted = [
        "fix the type error in double in lib/shapes.ml: This expression has type string but an expression was expected "
        "of type int",
        "fix the type error in double in shapes.ml",
        "fix the type error in double",
        "fix the type error",
        "fix that error",
    ]
    assert [one for one in steps if one in wanted] == wanted


def test_most_prompts_just_ask_to_fix_it() -> None:
    found = Counter(prompts(Category.TYPE, error(TYPE)))
    assert found.most_common(1)[0][0] == COMMONEST
    assert sum(count for prompt, count in found.items() if "area" not in prompt and "shapes" not in prompt) > 600


def test_names_are_those_of_the_error_in_the_old_code() -> None:
    found = prompts(Category.TYPE, error("This expression has type float", line=2))
    assert any("double" in prompt for prompt in found)
    assert not any("area" in prompt or "tau" in prompt for prompt in found)


def test_every_category_has_true_words() -> None:
    assert "fix the syntax error" in prompts(Category.SYNTAX, error("Syntax error"))
    assert "fix that warning" in prompts(Category.WARNING, error("unused variable x"))
    failing = Diagnostic(
        severity=Severity.ERROR, category=Category.TEST, message="test failed: shapes/area/0/a square\nx"
    )
    tests = prompts(Category.TEST, failing)
    assert {"make the tests pass", 'make the test "a square" pass'} <= {*tests}
    assert not any("compil" in prompt for prompt in tests)
    nowhere = Diagnostic(severity=Severity.ERROR, category=Category.OTHER, message="linking failed")
    assert {"fix that error", "fix this"} <= {*prompts(Category.OTHER, nowhere)}


def test_a_change_of_a_green_tree_is_asked_for_by_its_title_or_by_what_it_touches() -> None:
    found = prompts(Category.OTHER, None, title="Use the circle's constant.")
    assert {"use the circle's constant", "Use the circle's constant.", "change area"} <= {*found}
    assert not any("error" in prompt or "fix" in prompt for prompt in found)
    # a title with a name that only the new code has is none
    assert not any("tau" in prompt for prompt in prompts(Category.OTHER, None, title="introduce tau"))
    warned = error("unused value area").model_copy(update={"severity": Severity.WARNING})
    assert prompts(Category.OTHER, warned) == prompts(Category.OTHER, None)


@pytest.mark.parametrize(
    "title", ["use\nthe circle", "use \x1b[31mthe circle", "use the \u202ecircle", "use " + "circle" * 100_000]
)
def test_a_title_that_nobody_could_have_typed_is_none(title: str) -> None:
    found = prompts(Category.OTHER, None, title=title)
    assert not any("circle" in prompt for prompt in found)
    assert "change area" in found


def test_a_path_with_a_line_end_is_never_named() -> None:
    path = "lib/n\nl\x1b[31m.ml"
    files = [ChangedFile(path, OLD, NEW)]
    for category, said in ((Category.UNBOUND, [error(path=path)]), (Category.OTHER, [])):
        found = [one.text for one in phrases(category, said, files)]
        assert found
        assert all(text.isprintable() for text in found)


def test_a_word_that_only_the_new_code_has_is_never_used() -> None:
    # the new code happens to bring the words of many prompts
    found = prompts(Category.UNBOUND, error(), NEW + b"let fix that = that let error = fix\n")
    assert not any(re.search(r"\b(fix|that|error)\b", prompt) for prompt in found)
    said = " ".join(one.text for one in phrases(Category.UNBOUND, [error()], [ChangedFile("lib/shapes.ml", OLD, OLD)]))
    everything = re.sub(r"\b(pi|area|r|shapes|lib|ml)\b", " ", said).encode()
    assert prompt_for("1", Category.UNBOUND, [error()], [ChangedFile("lib/shapes.ml", OLD, everything)]) is None


@pytest.mark.parametrize(
    "wished",
    [
        Distribution(),
        Distribution(lengths=((Length.SHORT, 1), (Length.LONG, 2), (Length.LONGEST, 3)), styles=((Style.QUESTION, 1),)),
        Distribution(lengths=((Length.SHORTEST, 1), (Length.LONG, 1)), styles=tuple((one, 1) for one in Style)),
    ],
)
def test_a_thousand_prompts_follow_the_distribution_that_is_wished_for(wished: Distribution) -> None:
    files = [ChangedFile("lib/shapes.ml", OLD, NEW)]
    ladder = phrases(Category.TYPE, [error(TYPE)], files)
    forms = [form_of(choose(ladder, f"{number:016x}", wished)) for number in range(1000)]
    held = [form for form in forms if form is not None]
    assert len(held) == 1000
    lengths = Counter(form.length for form in held)
    styles = Counter(form.style for form in held)
    assert lengths.keys() == {one for one, _ in wished.lengths}
    assert styles.keys() == {one for one, _ in wished.styles}
    for counts, weights in (
        ([lengths[one] for one, _ in wished.lengths], [weight for _, weight in wished.lengths]),
        ([styles[one] for one, _ in wished.styles], [weight for _, weight in wished.styles]),
    ):
        # one in a thousand true draws is further off than this
        expected = [1000 * weight / sum(weights) for weight in weights]
        assert len(counts) == 1 or stats.chisquare(counts, expected).pvalue > 0.001


def test_where_nothing_true_is_so_long_the_nearest_length_stands() -> None:
    wished = Distribution(lengths=((Length.LONGEST, 1),), styles=((Style.TELEGRAPHIC, 1),))
    files = [ChangedFile("lib/shapes.ml", OLD, NEW)]
    found = prompt_for("1", Category.OTHER, [], files, distribution=wished)
    assert found is not None
    assert form_of(found) != Form(Length.LONGEST, Style.TELEGRAPHIC)
    assert max(len(one.text.split()) for one in phrases(Category.OTHER, [], files)) >= len(found.split()) >= 8


NAMES = st.lists(st.sampled_from(["pi", "tau", "area", "fix", "error", "this", "compile", "x"]), max_size=8)


@settings(deadline=None, max_examples=60)
@given(
    NAMES, NAMES, st.integers(0, 500), st.sampled_from(list(Category)), st.sampled_from(["", "Add 3 areas", "use tau"])
)
def test_no_hindsight_and_no_line_numbers(
    old: list[str], new: list[str], number: int, category: Category, title: str
) -> None:
    files = [ChangedFile("lib/shapes.ml", " ".join(old).encode(), " ".join(new).encode())]
    for message in ("Unbound value pi\nHint: line 7 knows better", "line 7 is wrong, says pi"):
        hidden = hindsight([error(message)], files)
        assert hidden == set(new) - set(old) - {"pi"}
        prompt = prompt_for(str(number), category, [error(message)], files, title)
        if prompt is not None:
            assert not leaks(prompt, hidden)
            assert not set(re.findall(r"[\w']+", prompt)) & hidden
            assert not re.search(r"\d", prompt)
