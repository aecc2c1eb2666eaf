"""The settings of a context: a recipe by name, a team's own, and what is refused."""

from pathlib import Path

import pytest

from greenloop.cli import contexts
from greenloop.cli.config import ContextSettings, read
from greenloop.cli.home import Home
from greenloop.prompts.recipes import DEFAULT, WIDE, Step
from greenloop.prompts.retrieval.in_memory import MAX_FILES_READ
from greenloop.records import InputError
from greenloop.workspace.store import Entry, Mode

OWN = """
version = 1
[context]
recipe = "mine"
[context.recipes]
mine = [{ plugin = "error" }, { plugin = "enclosing", share = 0.5 }, { plugin = "map", leave = 0.25 }]
"""


def settings(path: Path, text: str) -> ContextSettings:
    (path / "greenloop.toml").write_text(text)
    return read(path / "greenloop.toml").context


def test_recipes_by_name_and_a_teams_own(tmp_path: Path) -> None:
    assert contexts.recipe(ContextSettings()) == DEFAULT
    assert contexts.recipe(ContextSettings(recipe="wide")) == WIDE
    own = contexts.recipe(settings(tmp_path, OWN))
    assert own.name == "mine"
    assert own.steps == (Step("error"), Step("enclosing", share=0.5), Step("map", leave=0.25))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[context]\nrecipe = "wdie"', r"no recipe is called 'wdie'.*default, wide"),
        ('[context.recipes]\ndefault = [{ plugin = "error" }]', r"context\.recipes\.default: .* comes with Greenloop"),
        ('[context]\nrecipe = "m"\n[context.recipes]\nm = [{ plugin = "errors" }]', r"'errors'.*further-errors"),
        ('[context.recipes]\nm = [{ plugin = "error", share = 2.0 }]', r"context\.recipes\.m\.0\.share"),
        ('[context.recipes]\nm = [{ plugin = "error", chare = 0.5 }]', r"chare: no such setting"),
        ('[context.recipes]\nm = ["error"]', r"context\.recipes\.m\.0"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        contexts.recipe(settings(tmp_path, text))


def test_only_a_large_tree_has_an_index(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    entry = Entry(Mode.FILE, home.trees.write_blob(b"let okapi = 1\n"))
    small = home.trees.write_tree({f"m{number}.ml": entry for number in range(MAX_FILES_READ)})
    assert contexts.index(home, tmp_path, small) is None
    large = home.trees.update(small, {"lib/more.ml": entry})
    index = contexts.index(home, tmp_path, large)
    assert index is not None
    assert index.search(large, "okapi more", limit=1)[0].path == "lib/more.ml"
    assert contexts.index(home, tmp_path / "elsewhere", small) is None
    assert home.index(tmp_path) != home.index(tmp_path / "elsewhere")
