"""Recipes: every key is known, typed and documented, and what is wrong is named."""

from pathlib import Path

import pytest
from tests.training.conftest import RECIPES

from greenloop.records import InputError
from greenloop.training.recipe import SftRecipe, read_recipe
from greenloop.training.sections import Section

MINIMAL = 'name = "x"\n[base]\nmodel = "smollm2"\n[data]\nextra = ["a.jsonl"]\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*-sft.toml")), ids=lambda path: path.name)
def test_the_shipped_recipes_can_be_read(path: Path) -> None:
    assert read_recipe(path, SftRecipe).name == path.stem


def test_paths_are_relative_to_the_recipe_and_names_of_bases_stay(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, MINIMAL), SftRecipe)
    assert recipe.data.extra == (str(tmp_path / "a.jsonl"),)
    assert recipe.base.model == "smollm2"
    other = read_recipe(written(tmp_path, MINIMAL.replace("smollm2", "some/model.gguf")), SftRecipe)
    assert other.base.model == str(tmp_path / "some/model.gguf")


def test_a_resolved_recipe_reads_back_as_itself(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, MINIMAL), SftRecipe)
    again = read_recipe(written(tmp_path, recipe.to_toml()), SftRecipe)
    assert again == recipe
    assert again.sha256 == recipe.sha256


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (MINIMAL + "[optimisation]\nlearning_rat = 0.1\n", "unknown key optimisation.learning_rat"),
        (MINIMAL + "[optimizer]\nlr = 0.1\n", "unknown key optimizer"),
        (MINIMAL + "[optimisation]\nlearning_rate = -1\n", "optimisation.learning_rate"),
        (MINIMAL + '[machine]\nprecision = "fp16"\n', "machine.precision"),
        (MINIMAL.replace('name = "x"\n', ""), "the key name is missing"),
        ('name = "x"\n[base]\nmodel = "smollm2"\n[data]\n', "name a dataset, or extra files"),
        (MINIMAL.replace("[base]", "[base"), "not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(InputError, match=r"recipe\.toml") as caught:
        read_recipe(written(tmp_path, text), SftRecipe)
    assert named in caught.value.message
    assert caught.value.way_out


def test_every_key_is_documented() -> None:
    tables = [SftRecipe, *(field.annotation for field in SftRecipe.model_fields.values())]
    for table in tables:
        if isinstance(table, type) and issubclass(table, Section):
            for key, field in table.model_fields.items():
                assert field.description or key in SftRecipe.model_fields, f"{table.__name__}.{key}"
    assert SftRecipe.model_fields["kind"].description
