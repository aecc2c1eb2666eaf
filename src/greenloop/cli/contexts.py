"""What a model is shown for a question: by which recipe, searched where, and told to the person."""

from pathlib import Path

from rich.markup import escape
from rich.text import Text

from greenloop.cli.config import ContextSettings
from greenloop.cli.console import out, progress
from greenloop.cli.home import Home
from greenloop.prompts.explain import Explained
from greenloop.prompts.listing import listing
from greenloop.prompts.recipes import RECIPES, Recipe, Step, plugin_named
from greenloop.prompts.retrieval.in_memory import MAX_FILES_READ
from greenloop.prompts.retrieval.on_disk import OnDisk
from greenloop.records import InputError, TreeId


def recipe(settings: ContextSettings) -> Recipe:
    """Return the recipe that the settings name. Raises ``InputError`` when there is none, one has a taken name, or a
    plug-in of it is not there.
    """
    taken = sorted(settings.recipes.keys() & RECIPES.keys())
    if taken:
        raise InputError(
            f"context.recipes.{taken[0]}: this recipe comes with Greenloop, and stays as it is",
            "give yours another name, and set context.recipe to it",
        )
    own = {
        name: Recipe(name, tuple(Step(step.plugin, step.share, step.leave) for step in steps))
        for name, steps in settings.recipes.items()
    }
    known = {**RECIPES, **own}
    if settings.recipe not in known:
        raise InputError(f"context.recipe: no recipe is called {settings.recipe!r}", f"there are: {', '.join(known)}")
    chosen = known[settings.recipe]
    for step in chosen.steps:
        plugin_named(step.plugin)
    return chosen


def index(home: Home, root: Path, tree: TreeId) -> OnDisk | None:
    """Return the index of the repository at ``root``, brought to ``tree``; ``None`` where the tree is small.

    A small tree is read for each question: what is found then depends on nothing but the tree.
    """
    if len(listing(home.trees, tree).entries) <= MAX_FILES_READ:
        return None
    made = OnDisk(home.index(root), home.trees)
    with progress("indexing the repository"):
        made.follow(tree)
    return made


def show(explained: Explained) -> None:
    """Print what was sent, part by part, and what was left out for want of room."""
    for part in explained.parts:
        out.print(f"[bold]{escape(part.role)} · {escape(part.plugin)}[/] · about {part.tokens} tokens", highlight=False)
        out.print(f"[dim]{escape(part.why)}[/]", highlight=False)
        out.print(Text(part.text), end="\n\n")
    if explained.left_out:
        out.print("[bold]Left out for want of room[/]")
        for left in explained.left_out:
            out.print(f"- {escape(left)}", highlight=False)
        out.print()
