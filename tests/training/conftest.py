"""The smoke recipe, its base made once for all tests, and small pieces of training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greenloop.models.seam import Message
from greenloop.records import RunCard
from greenloop.training.base_model import Base, find_base, load_tokenizer
from greenloop.training.conversations import Conversation, read_conversations
from greenloop.training.recipe import SftRecipe, read_recipe
from greenloop.training.run_folder import RunFolder
from greenloop.training.sft import train

RECIPES = Path(__file__).resolve().parents[2] / "recipes"

Train = Callable[..., RunCard]
Change = Callable[..., SftRecipe]


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bases")


@pytest.fixture(scope="session")
def tiny(bases: Path) -> Base:
    """A Llama of two layers with random weights and SmolLM2's tokenizer."""
    return find_base("random", bases)


@pytest.fixture(scope="session")
def tokenizer(tiny: Base) -> Any:
    return load_tokenizer(tiny)


@pytest.fixture(scope="session")
def smoke_conversations() -> list[Conversation]:
    return read_conversations(RECIPES / "smoke.jsonl")


@pytest.fixture
def smoke() -> Change:
    """Return the smoke recipe with some keys changed: ``smoke(optimisation={"max_steps": 3})``."""

    def changed(**tables: dict[str, Any]) -> SftRecipe:
        recipe = read_recipe(RECIPES / "smoke-sft.toml", SftRecipe)
        body = recipe.model_dump()
        for name, keys in tables.items():
            body[name] = {**body[name], **keys}
        return SftRecipe.model_validate(body)

    return changed


@pytest.fixture
def run_sft(bases: Path) -> Train:
    """Train a recipe into a folder; ``lines`` collects what people are told, ``at`` is called with each step."""

    def run(
        recipe: SftRecipe,
        out: Path,
        *,
        resume: bool = False,
        lines: list[str] | None = None,
        at: Callable[[int], None] = lambda _step: None,
    ) -> RunCard:
        said = [] if lines is None else lines
        card = train(recipe, out, bases, resume=resume, progress=lambda done, _of: at(done), tell=said.append)
        assert card is not None
        return card

    return run


@pytest.fixture(scope="session")
def finished(bases: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The run of the smoke recipe, from its first step to its last without a break."""
    run = RunFolder(tmp_path_factory.mktemp("finished") / "run")
    recipe = read_recipe(RECIPES / "smoke-sft.toml", SftRecipe)
    train(recipe, run.path, bases, progress=lambda _done, _of: None, tell=lambda _line: None)
    return run


def conversation(prompt: str, reply: str) -> Conversation:
    """A prompt and its reply."""
    return (Message("system", "You change code."), Message("user", prompt), Message("assistant", reply))
