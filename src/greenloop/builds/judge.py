"""The seam that everything above ``builds`` depends on: who can say whether a tree is green."""

from collections.abc import Callable, Iterable
from typing import Protocol

from greenloop.builds.stop import Stop
from greenloop.records import Suite, TreeId, Verdict

Progress = Callable[[int, int], None]
"""Called with (trees judged so far, trees asked for), from the thread that asked."""


class Judge(Protocol):
    """Judges trees. ``builds.engine.Engine`` is the real one, ``builds.scripted.ScriptedJudge`` the fake that ships.

    No verdict with ``Status.INFRA_ERROR`` is ever returned: ``InfrastructureError`` is raised instead.
    """

    @property
    def fingerprint(self) -> str:
        """What verdicts carry as ``toolchain``: 64 hexadecimal digits for a real toolchain."""
        ...

    def until(self, stop: Stop) -> "Judge":
        """Return a view of this judge whose judgements end, with ``Cancelled``, once ``stop`` is requested.

        Verdicts that it reached are stored like any others.
        """
        ...

    def judge(self, tree: TreeId, suite: Suite) -> Verdict:
        """Return the verdict on one tree, stored or fresh.

        Raises ``InfrastructureError`` when none could be reached, ``InputError`` when the tree is unknown.
        """
        ...

    def judge_many(
        self, trees: Iterable[TreeId], suite: Suite, progress: Progress | None = None
    ) -> dict[TreeId, Verdict]:
        """Return the verdict on each distinct tree, in the order in which the trees were first named."""
        ...

    def confirm(
        self, trees: Iterable[TreeId], suite: Suite, times: int, progress: Progress | None = None
    ) -> frozenset[TreeId]:
        """Judge each tree until there are ``times`` judgements of it, and return those on which they differ."""
        ...
