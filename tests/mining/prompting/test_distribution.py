"""Forms are told by form alone, and distributions come from settings or from what people typed."""

import pytest

from greenloop.mining.prompting.counts import beside_wishes, forms
from greenloop.mining.prompting.distribution import Distribution, from_requests
from greenloop.mining.prompting.form import Form, Length, Style, form_of
from greenloop.records import Category, Edit, Example, InputError, Suite


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("fix that error", Form(Length.SHORTEST, Style.IMPERATIVE)),
        ("Fix that error.", Form(Length.SHORTEST, Style.SENTENCE)),
        ("can you fix the type error in area?", Form(Length.LONG, Style.QUESTION)),
        ("type error in area", Form(Length.SHORT, Style.TELEGRAPHIC)),
        ("area: type error", Form(Length.SHORTEST, Style.TELEGRAPHIC)),
        ("it doesn't compile, fix it", Form(Length.SHORT, Style.IMPERATIVE)),
        ("f: expression type 'a list, expected 'a", Form(Length.SHORT, Style.TELEGRAPHIC)),
        ("f: expression type 'a' list", Form(Length.SHORT, Style.IMPERATIVE)),
        ("  make  it\n compile ", Form(Length.SHORTEST, Style.IMPERATIVE)),
        ("a " * 40, Form(Length.LONGEST, Style.IMPERATIVE)),
        ("a " * 41, None),
        ("?! …", None),
        ("", None),
    ],
)
def test_a_text_has_one_form(text: str, form: Form | None) -> None:
    assert form_of(text) == form


def test_what_people_typed_is_measured_once_there_is_enough() -> None:
    typed = ["rename area to surface"] * 20 + ["Could this be faster?"] * 20 + ["error"] * 9
    assert from_requests(typed) is None
    assert from_requests([*typed, "", "word " * 50]) is None
    measured = from_requests([*typed, "error"])
    assert measured is not None
    assert measured.source == "log"
    assert dict(measured.lengths) == {Length.SHORTEST: 10, Length.SHORT: 40, Length.LONG: 0, Length.LONGEST: 0}
    assert dict(measured.styles) == {
        Style.IMPERATIVE: 20, Style.SENTENCE: 0, Style.QUESTION: 20, Style.TELEGRAPHIC: 10,
    }  # fmt: skip
    assert {measured.wish(str(number)).length for number in range(200)} == {Length.SHORTEST, Length.SHORT}


def test_weights_that_draw_nothing_are_refused() -> None:
    with pytest.raises(InputError, match=r"mining\.prompts\.lengths"):
        Distribution(lengths=((Length.SHORT, 0),))
    with pytest.raises(InputError, match=r"mining\.prompts\.styles"):
        Distribution(styles=((Style.QUESTION, 3), (Style.SENTENCE, -1)))


def example(id_: str, prompt: str) -> Example:
    return Example(
        id=id_, workspace="w", author="ada", time=1.0, base="a" * 40, target="b" * 40, edit=Edit(files=()),
        prompt=prompt, description="", diagnostics=(), category=Category.OTHER, changed_lines=1, toolchain="t",
        suite=Suite.CHECK,
    )  # fmt: skip


def test_counts_say_what_could_not_be_supplied() -> None:
    wished = Distribution(lengths=((Length.SHORT, 1),), styles=((Style.QUESTION, 1),))
    prompts = ["can you fix that?", "fix that error", "what is wrong with all of this code here?", "w " * 41]
    counts = beside_wishes([example(str(number), prompt) for number, prompt in enumerate(prompts)], wished)
    assert counts["examples"] == 4
    assert counts["wished"] == {"lengths": {"4-7": 4}, "styles": {"question": 4}}
    assert counts["lengths"] == {"1-3": 1, "4-7": 1, "8-15": 1, "longer": 1}
    assert counts["not_supplied"] == {"length": 3, "style": 2}
    assert forms([]) == {"lengths": {}, "styles": {}}
