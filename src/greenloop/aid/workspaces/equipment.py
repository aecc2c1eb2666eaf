"""What the composition root hands in: how a workspace is judged, and with what a turn is made. With its fake."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from greenloop.builds.judge import Judge
from greenloop.candidates.examine import Rules
from greenloop.candidates.sampling import Sampling
from greenloop.candidates.searching import Search
from greenloop.candidates.source import Source
from greenloop.models.seam import Model
from greenloop.prompts.recipes import DEFAULT, Recipe
from greenloop.prompts.retrieval.seam import Index
from greenloop.records import Strategy as Prompting
from greenloop.records import Suite, TreeId
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import WorkingCopy
from greenloop.workspace.vcs.one_file import Screen


@dataclass(frozen=True)
class Build:
    """How one workspace is judged; ``close`` ends what it keeps running."""

    judge: Judge
    toolchain: str
    rules: Rules = field(default_factory=Rules)
    confirm: Suite | None = None
    """The best suggestions are judged by this suite too, where it goes further than that of ``rules``."""
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Strategy:
    """With what a turn is made. A turn keeps the one that it began with."""

    name: str
    model: Model | None
    """``None``: the sources and searches alone. It is not closed by a turn."""
    sampling: Sampling = field(default_factory=Sampling)
    budget_tokens: int = 2000
    asking: Prompting = Prompting.EDIT_BLOCKS
    """How a question is written for the model."""
    recipe: Recipe = DEFAULT
    index: Index | None = None
    sources: Sequence[Source] = ()
    """Asked beside the model, before it answers."""
    searches: Sequence[Search] = ()
    """Tried when nothing else has fixed what is red."""
    repair_rounds: int = 2
    """How often a red suggestion goes back to the model with the compiler's message."""
    arms: Mapping[str, str] = field(default_factory=dict)
    """Experiment → arm, where the turn is part of one."""
    repair_seconds: float = 20.0
    """No such round is begun later than so many seconds after the first one."""
    tool_rounds: int = 8
    """Rounds of calls of domain tools that the model may ask for; 0: it is offered none."""


class Equipment(Protocol):
    """Made by the command line. Safe to use from several threads."""

    @property
    def store(self) -> TreeStore:
        """Where trees are kept."""
        ...

    def root_of(self, path: Path) -> Path:
        """Return the root of the workspace that a file or folder lies in. Raises ``InputError`` when there is none."""
        ...

    def working_copy(self, root: Path, cache: Path) -> WorkingCopy:
        """Return what reads the files below ``root``; ``cache`` is a folder for it alone. Raises as ``WorkingCopy``."""
        ...

    def screen(self, root: Path) -> Screen | None:
        """Return what says of a text why it must not be stored: it holds a secret."""
        ...

    def moved(self, root: Path, tree: TreeId) -> None:
        """The workspace holds this tree now: an index of it may follow. Returns at once."""
        ...

    def build(self, root: Path, tree: TreeId) -> Build:
        """Return how the workspace is judged, by its settings and its present tree; only asked for trusted ones."""
        ...

    def strategy(self, root: Path, *, task: str) -> Strategy:
        """Return with what a turn is made now; ``task`` names the conversation, to which arms of experiments stick."""
        ...

    def recorded_as(self, root: Path) -> str:
        """Return the recorder's name for the workspace at ``root``; empty where it is not recorded."""
        ...

    def may_keep(self, words: str) -> bool:
        """Say whether what a person typed may be kept in the log of feedback: it may hold a secret."""
        ...


@dataclass
class ScriptedEquipment:
    """The fake: every workspace is judged by ``judge``, and every turn made with ``made``."""

    store: TreeStore
    judge: Judge
    made: Strategy
    rules: Rules = field(default_factory=Rules)
    confirm: Suite | None = None
    secret: str = "xyzzy"  # noqa: S105 - no password
    """What holds this word is taken for a secret."""
    built: list[Path] = field(default_factory=list)
    """The roots whose build was asked for, in order."""
    trees: list[TreeId] = field(default_factory=list)
    """The trees that workspaces came to hold, in order."""

    def root_of(self, path: Path) -> Path:
        """The folder itself."""
        return path if path.is_dir() else path.parent

    def working_copy(self, root: Path, cache: Path) -> WorkingCopy:
        """All that version control does not ignore."""
        return WorkingCopy(root, self.store, cache)

    def screen(self, root: Path) -> Screen | None:  # noqa: ARG002 - the seam's
        """Stop what holds the secret."""
        return lambda _path, content: "it holds a secret" if self.secret.encode() in content else None

    def moved(self, root: Path, tree: TreeId) -> None:  # noqa: ARG002 - the seam's
        """Remember it."""
        self.trees.append(tree)

    def build(self, root: Path, tree: TreeId) -> Build:  # noqa: ARG002 - the seam's
        """The scripted judge."""
        self.built.append(root)
        return Build(self.judge, "scripted", self.rules, self.confirm)

    def strategy(self, root: Path, *, task: str) -> Strategy:  # noqa: ARG002 - the seam's
        """The scripted strategy."""
        return self.made

    def recorded_as(self, root: Path) -> str:  # noqa: ARG002 - the seam's
        """It is not."""
        return ""

    def may_keep(self, words: str) -> bool:
        """Yes, unless they hold the secret."""
        return self.secret not in words
