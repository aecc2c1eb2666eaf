"""Which plug-ins choose a context, in which order, and how much of the budget each may spend."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points

from greenloop.prompts.plugins.enclosing import Enclosing, SmallFile
from greenloop.prompts.plugins.errors import FirstError, FurtherErrors
from greenloop.prompts.plugins.focus import Focus
from greenloop.prompts.plugins.named import Named
from greenloop.prompts.plugins.neighbours import Neighbours
from greenloop.prompts.plugins.recent_edits import RecentEdits
from greenloop.prompts.plugins.repository_map import RepositoryMap
from greenloop.prompts.plugins.retrieval import Retrieval, Search
from greenloop.prompts.plugins.seam import Plugin
from greenloop.prompts.plugins.signatures import Signatures
from greenloop.records import InputError

ENTRY_POINTS = "greenloop.context"
"""The group in which a team's own plug-ins stand."""

BUILT_IN: Mapping[str, Plugin] = {
    "error": FirstError(),
    "small-file": SmallFile(),
    "enclosing": Enclosing(),
    "named": Named(),
    "focus": Focus(),
    "neighbours": Neighbours(),
    "signatures": Signatures(),
    "search": Search(),
    "further-errors": FurtherErrors(),
    "recent-edits": RecentEdits(),
    "retrieval": Retrieval(),
    "map": RepositoryMap(),
}
"""The plug-ins that come with Greenloop, by the names that recipes call them by."""


@dataclass(frozen=True, slots=True)
class Step:
    """One plug-in's turn: it may spend ``share`` of what is left of the budget, but leaves ``leave`` of the whole."""

    plugin: str
    share: float = 1.0
    leave: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.share <= 1 and 0 <= self.leave < 1):
            raise InputError(
                f"the context plug-in {self.plugin!r}: share {self.share}, leave {self.leave}",
                "a share is above 0 and at most 1; what is left to others is at least 0 and below 1",
            )

    def ceiling(self, spent: int, budget: int) -> int:
        """How much all that is chosen may cost after this step."""
        return min(spent + int((budget - spent) * self.share), int(budget * (1 - self.leave)))


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named order of steps; the same plug-in may come again, with what room there is then."""

    name: str
    steps: tuple[Step, ...]


DEFAULT = Recipe(
    "default",
    (
        Step("error"),
        Step("small-file"),
        Step("enclosing", share=0.6),
        # where the share holds not even the line itself, the whole budget may
        Step("enclosing"),
        Step("named"),
        Step("focus"),
        Step("neighbours", leave=0.25),
        Step("signatures"),
        Step("search"),
        Step("further-errors"),
        Step("neighbours"),
    ),
)
"""What Greenloop's own models are trained on: another order or share is another question to them."""

WIDE = Recipe(
    "wide",
    (
        Step("error"),
        Step("small-file"),
        Step("enclosing", share=0.5),
        Step("enclosing"),
        Step("named", share=0.6),
        Step("focus", share=0.5),
        Step("recent-edits", share=0.2),
        Step("neighbours", share=0.4),
        Step("signatures", share=0.6),
        Step("retrieval", share=0.7),
        Step("further-errors"),
        Step("map", share=0.5),
        Step("neighbours"),
    ),
)
"""For a served model with room: what was done before, what is like it elsewhere, and where everything lies."""

RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in (DEFAULT, WIDE)}
"""The recipes that come with Greenloop."""


def plugin_named(name: str) -> Plugin:
    """Return the plug-in that recipes call ``name``; Greenloop's own come first.

    Raises ``InputError`` when there is none, or a team's own is no plug-in.
    """
    built_in = BUILT_IN.get(name)
    return built_in if built_in is not None else _installed(name)


def known_plugins() -> tuple[str, ...]:
    """Return the names of all plug-ins, a team's own included, sorted."""
    return tuple(sorted({*BUILT_IN, *(entry.name for entry in entry_points(group=ENTRY_POINTS))}))


def _installed(name: str) -> Plugin:
    found = next(iter(entry_points(group=ENTRY_POINTS, name=name)), None)
    if found is None:
        raise InputError(f"no context plug-in is called {name!r}", f"there are: {', '.join(known_plugins())}")
    try:
        make: Callable[[], Plugin] = found.load()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"the context plug-in {name!r} ({found.value}) cannot be loaded: {error}",
            "mend or uninstall the package that it comes from",
        ) from error
    plugin = make()
    if not callable(getattr(plugin, "choose", None)):
        raise InputError(
            f"the context plug-in {name!r} ({found.value}) has no method `choose`",
            "see greenloop.prompts.plugins.seam.Plugin",
        )
    return plugin
