"""What a rule is: a name under which its drops are counted, and a question."""

from collections.abc import Callable
from dataclasses import dataclass

from greenloop.mining.commits.change import CommitChange
from greenloop.workspace.vcs import Commit


@dataclass(frozen=True, slots=True)
class MessageRule:
    """``drops`` says, before any file is read, whether the commit must not become an example."""

    name: str
    drops: Callable[[Commit], bool]


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """``drops`` says whether the change must not become an example."""

    name: str
    drops: Callable[[CommitChange], bool]
