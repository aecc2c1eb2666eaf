"""A feature over texts, and a judge that reads them: every name that is used must be defined."""

import re
from pathlib import Path

import pytest

from greenloop.builds.scripted import Answer, ScriptedJudge
from greenloop.mining.rules import Rules
from greenloop.mining.split.examples import examples_of
from greenloop.mining.split.split import Split, Splitter
from greenloop.records import Category, Diagnostic, Feature, Origin, Severity, Suite, TreeId
from greenloop.workspace.edits import apply
from greenloop.workspace.store import Entry, Mode, TreeStore


class Shop:
    """A store and its judge."""

    def __init__(self, folder: Path) -> None:
        self.store = TreeStore(folder / "store")
        self.judge = ScriptedJudge(self.answer)

    def tree(self, files: dict[str, str]) -> TreeId:
        return self.store.write_tree(
            {path: Entry(Mode.FILE, self.store.write_blob(text.encode())) for path, text in files.items()}
        )

    def answer(self, tree: TreeId, _suite: Suite) -> Answer:
        """Red where a line says ``use x`` and none says ``let x``."""
        texts = {path: (self.store.read(tree, path) or b"").decode() for path in self.store.files(tree)}
        known = set(re.findall(r"let (\w+)", "\n".join(texts.values())))
        return tuple(
            Diagnostic(severity=Severity.ERROR, category=Category.UNBOUND, message=f"Unbound value {name}", path=path)
            for path, text in texts.items()
            for name in re.findall(r"use (\w+)", text)
            if name not in known
        )

    def split(self, before: dict[str, str], after: dict[str, str], title: str = "", limit: int = 3) -> Split:
        feature = Feature(base=self.tree(before), target=self.tree(after), title=title, author="ada", time=7.0)
        return Splitter(self.store, self.judge, Suite.BUILD, rules=Rules(max_changed_lines=limit)).split(feature)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


BEFORE = {"a.ml": "let a = 1\n", "b.txt": "one\n\ntwo\n\nthree\n", "z.ml": "let z = 1\n"}
AFTER = {
    "a.ml": "let a = 1\n\nlet deep = use z\n\nlet top = use deep\n",
    "b.txt": "use top\n\ntwo\n\nuse deep\n",
    "z.ml": "let z = 2\n",
}


def test_pieces_are_small_green_and_lead_to_the_target(shop: Shop) -> None:
    split = shop.split(BEFORE, AFTER)
    assert split.exact
    assert split.green_prefix_share == 1
    assert len(split.pieces) > 1
    assert all(piece.lines <= 3 and not piece.reason for piece in split.pieces)
    assert split.builds == len({tree for tree, _ in shop.judge.asked})
    for piece in split.pieces:
        assert shop.judge.judge(piece.target, Suite.BUILD).green


def test_a_red_end_leaves_one_piece_and_says_why(shop: Shop) -> None:
    split = shop.split(BEFORE, {**AFTER, "z.ml": "let z = use nothing\n"})
    assert len(split.pieces) == 1
    assert split.exact
    assert split.green_prefix_share == 0
    assert "its target is red" in split.unsplit
    assert "Unbound value nothing" in split.unsplit


def test_equal_trees_have_no_piece(shop: Shop) -> None:
    split = shop.split(BEFORE, BEFORE)
    assert (split.pieces, split.builds, split.unsplit) == ((), 0, "its base is its target")


def test_each_green_piece_is_an_example_without_hindsight(shop: Shop) -> None:
    split = shop.split(BEFORE, AFTER, title="Let z be two")
    rules = Rules(max_changed_lines=3)
    taken = examples_of(shop.store, shop.judge, Suite.BUILD, split, workspace="w", rules=rules)
    assert len(taken.examples) + len(taken.dropped) == len(split.pieces)
    assert taken.examples
    for example in taken.examples:
        assert example.origin is Origin.FEATURE
        assert (example.author, example.time, example.diagnostics) == ("ada", 7.0, ())
        assert apply(shop.store, example.base, example.edit).tree == example.target
        assert "deep" not in example.prompt
        assert "top" not in example.prompt
