"""Which engine draws replies: chosen by the recipe."""

from collections.abc import Sequence
from contextlib import ExitStack

from greenloop.training.generating import Generator, InProcess
from greenloop.training.ground import Ground
from greenloop.training.recipe import RlRecipe


def open_generator(ground: Ground[RlRecipe], ends: Sequence[int], stack: ExitStack) -> Generator:
    """Return the recipe's engine; ``ends`` are the tokens that end a reply. It is closed with ``stack``."""
    found = InProcess(ground.recipe.generation, ground.tokenizer, ends)
    stack.callback(found.close)
    return found
