"""The card counts what is there, the picture and the page say the same, and bad input is one clear error."""

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from greenloop.datasets.build import build
from greenloop.datasets.card import MinedCounts
from greenloop.datasets.lengths import Lengths, lengths
from greenloop.datasets.load import load
from greenloop.datasets.page import readme
from greenloop.mining.filters import OWN
from greenloop.mining.funnel import Funnel, Step
from greenloop.mining.picture import funnel_svg
from greenloop.records import Example, InputError, Origin
from greenloop.workspace.store import TreeStore

Make = Callable[..., Example]
Write = Callable[..., Example]
Program = Callable[..., str]


def everyone(make: Make) -> list[Example]:
    return [make(f"author {number % 6}", number) for number in range(18)]


def test_origins_authors_and_lengths_are_counted(store: TreeStore, make: Make, tmp_path: Path) -> None:
    given = everyone(make)
    given[0] = given[0].model_copy(update={"origin": Origin.SYNTHETIC})
    given[1] = given[1].model_copy(update={"origin": Origin.EARLIER})
    made = build(given, store, tmp_path / "dataset")
    assert made.card.origins == {"earlier": 1, "episode": 16, "synthetic": 1}
    assert made.card.synthetic == pytest.approx(1 / 18)
    assert made.card.authors == {f"author {number}": 3 for number in range(6)}
    assert made.card.lengths["changed lines"] == Lengths(least=1, median=1, ninety=1, most=1)
    assert set(made.card.lengths) == {
        "tokens of the prompt",
        "tokens of the reply",
        "words of the request",
        "changed lines",
    }
    assert made.card.lengths["tokens of the prompt"].least > made.card.lengths["tokens of the reply"].most > 0
    page = (made.folder / "README.md").read_text()
    assert "- Synthetic: 5.6% of the examples." in page
    assert "| synthetic | 1 |" in page
    assert "| `author 3` | 3 |" in page
    assert "| changed lines | 1 | 1 | 1 | 1 |" in page
    words = made.card.lengths["words of the request"]
    assert 1 <= words.least <= words.most <= 40
    assert sum(made.card.styles.values()) == sum(part.examples for part in made.card.parts.values())
    assert made.card.styles
    assert all(f"| {style} | {count} |" in page for style, count in made.card.styles.items())


def test_what_mining_counted_beside_the_funnel_is_told(store: TreeStore, make: Make, tmp_path: Path) -> None:
    mined = MinedCounts(
        trees={"green": 9, "red": 4}, cuts={"idle": 2}, minimised={"builds": 31}, words={"prompts taken": 5}
    )
    made = build(everyone(make), store, tmp_path / "dataset", mined=mined)
    assert load(made.folder).card.mined == mined
    page = (made.folder / "README.md").read_text()
    for row in (
        "trees judged | red | 4",
        "begun by | idle | 2",
        "ask for | builds | 31",
        "of a model | prompts taken | 5",
    ):
        assert f"{row} |" in page
    assert "How they were mined" not in readme(made.card.model_copy(update={"mined": MinedCounts()}))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5], (5, 5, 5, 5)),
        ([2, 1], (1, 1, 2, 2)),
        (list(range(1, 11)), (1, 5, 9, 10)),
        (list(range(1, 101)), (1, 50, 90, 100)),
        ([0, 0, 0, 7], (0, 0, 7, 7)),
    ],
)
def test_lengths_are_values_that_occur(values: list[int], expected: tuple[int, int, int, int]) -> None:
    assert tuple(lengths(values[::-1]).model_dump().values()) == expected


@pytest.mark.parametrize(
    ("steps", "count", "said"),
    [
        ((Step(name=OWN, unit="candidates", seen=9, dropped=2),), 2, "left out when mining: 2."),
        ((Step(name=OWN, unit="candidates", seen=9, dropped=0),), 0, "left out when mining: 0."),
        ((), None, "left out when mining: not counted."),
    ],
)
def test_what_greenloop_wrote_itself_is_stated(
    store: TreeStore, make: Make, tmp_path: Path, steps: tuple[Step, ...], count: int | None, said: str
) -> None:
    made = build(everyone(make), store, tmp_path / "dataset", funnel=Funnel(steps=steps))
    assert made.card.own_left_out == count
    assert said in (made.folder / "README.md").read_text()


def test_the_picture_says_what_the_table_says(store: TreeStore, make: Make, tmp_path: Path) -> None:
    funnel = Funnel(
        steps=(
            Step(name="equal to the one before", unit="snapshots", seen=2000, dropped=766),
            Step(name="undone", unit="runs of red", seen=20, dropped=0),
        )
    )
    made = build(everyone(make), store, tmp_path / "dataset", funnel=funnel)
    content = (made.folder / "funnel.svg").read_bytes()
    text = "".join(ElementTree.fromstring(content).itertext())
    assert "1,234 snapshots, 766 dropped" in text
    for step in made.card.funnel.steps:
        assert step.name in text
    assert "![" in (made.folder / "README.md").read_text()
    assert b"dc:date" not in content
    assert b"Matplotlib" not in content
    assert funnel_svg(made.card.funnel) == content


@pytest.mark.parametrize("name", ["in <a&b>.jsonl", "line\nend \x07\u202e$x^2$", "x" * 90, "日本語"])
def test_any_name_of_a_rule_can_be_drawn(name: str) -> None:
    content = funnel_svg(Funnel(steps=(Step(name=name, unit="examples", seen=0, dropped=0),)))
    ElementTree.fromstring(content)


HOSTILE = (
    "x`|<script>alert(1)</script>\n\n# owned\n![a](http://example.org/x) **b** &amp;\n---\nconfigs: []\x1b[31m\u202e"
)


def test_no_name_is_more_than_a_name_on_the_page(store: TreeStore, make: Make, tmp_path: Path) -> None:
    examples = [make(f"{HOSTILE} {number % 6}", number) for number in range(18)]
    steps = (Step(name=HOSTILE, unit=HOSTILE, seen=9, dropped=2),)
    made = build(examples, store, tmp_path / "dataset", name=HOSTILE, funnel=Funnel(steps=steps))
    page = (made.folder / "README.md").read_text()
    plain = build(everyone(make), store, tmp_path / "plain", funnel=Funnel(steps=(Step(
        name="rule", unit="unit", seen=9, dropped=2),)))  # fmt: skip
    expected = (plain.folder / "README.md").read_text()
    kinds = [[token.type for token in tokens(text) if token.type != "text"] for text in (page, expected)]
    assert kinds[0] == kinds[1]
    # and what was escaped is shown as it was
    shown = " ".join(token.content for token in tokens(page))
    assert "<script>alert(1)</script> # owned ![a](http://example.org/x) **b** &amp; --- configs: []" in shown
    assert "\x1b" not in page
    assert "\u202e" not in page
    ElementTree.fromstring((made.folder / "funnel.svg").read_bytes())


def tokens(text: str) -> list[Token]:
    """The page below its head, as Markdown with tables is read."""
    blocks = MarkdownIt("commonmark").enable("table").parse(text.partition("\n---\n")[2])
    return [one for block in blocks for one in (block, *(block.children or ())) if one.type != "inline"]


def test_a_funnel_without_steps_can_be_drawn() -> None:
    ElementTree.fromstring(funnel_svg(Funnel(steps=())))


def test_the_order_of_the_examples_changes_no_byte(store: TreeStore, make: Make, tmp_path: Path) -> None:
    built = [build(given, store, tmp_path / name) for name, given in
             (("one", everyone(make)), ("two", everyone(make)[::-1]))]  # fmt: skip
    files = [{path.name: path.read_bytes() for path in made.folder.iterdir()} for made in built]
    assert files[0] == files[1]


def test_two_examples_of_one_id_are_refused(store: TreeStore, make: Make, tmp_path: Path) -> None:
    given = everyone(make)
    with pytest.raises(InputError, match=f"two examples have the id {given[4].id}: number 5 and number 19"):
        build([*given, given[4]], store, tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_trees_that_are_missing_are_counted(store: TreeStore, make: Make, tmp_path: Path) -> None:
    given = everyone(make)
    given[7] = given[7].model_copy(update={"target": "1" * 40})
    with pytest.raises(InputError, match=f"trees of 1 of 18 examples, such as {given[7].id}"):
        build(given, store, tmp_path / "dataset")


def test_when_nothing_is_left_every_rule_that_dropped_is_named(store: TreeStore, change: Write, tmp_path: Path) -> None:
    key = 'let key = "AKIA' + 'Z7VQ4NTR2XLKW5HM"\n'
    with pytest.raises(InputError, match="a secret in its edit: 1 of 1 examples"):
        build([change("let x = 1\n", key)], store, tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_the_card_is_read_back_whole(store: TreeStore, make: Make, tmp_path: Path) -> None:
    made = build(everyone(make), store, tmp_path / "dataset")
    body = json.loads((made.folder / "card.json").read_text())
    assert type(made.card).from_json(json.dumps(body)) == made.card
