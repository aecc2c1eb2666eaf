"""Judging a revision itself, above its own warm build, before anything is judged above it.

Only here are warm builds made: of revisions that the operator's repositories hold, and of no tree that a request
brought. So what a generator of the team leaves in one is as trusted as the team's own build.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from greenloop.builds.engine import Trial
from greenloop.builds.shelf import Shelf
from greenloop.builds.stop import Stop
from greenloop.ces.expectations import counts_as_green, reached_tests, unsteady
from greenloop.records import Diagnostic, EnvironmentFault, InputError, Status, Suite, TestStatus, TreeId, Verdict


class Warmer(Protocol):
    """What a pool needs of ``builds.engine.Engine``."""

    @property
    def fingerprint(self) -> str:
        """What verdicts carry as ``toolchain``."""
        ...

    @property
    def warm(self) -> Shelf:
        """Where its warm builds stand."""
        ...

    def trial(
        self, tree: TreeId, suite: Suite, *, base: TreeId | None = None, stop: Stop | None = None, fresh: bool = False
    ) -> Trial:
        """See ``Engine.trial``."""
        ...

    def aside(self, tree: TreeId, suite: Suite, *, base: TreeId | None = None, stop: Stop | None = None) -> Trial:
        """See ``Engine.aside``."""
        ...


@dataclass(frozen=True, slots=True)
class Warmth:
    """What warming a tree came to, in the words of ``records.WarmBuild``."""

    state: str
    """``green``, ``red`` or ``failed``."""
    tests: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    note: str = ""


def warm_up(engine: Warmer, tree: TreeId, suite: Suite, repeats: int, stop: Stop) -> Warmth:
    """Make the warm build of ``tree`` unless it is there, and judge the tree above it ``repeats`` times.

    Tests that do not end alike every time are flaky; green is what has no other fault. Raises ``Cancelled``.
    """
    try:
        # fresh: a verdict that is only remembered would leave nothing warm
        runs = [engine.trial(tree, suite, base=tree, stop=stop, fresh=True).verdict]
        if suite is Suite.TEST and reached_tests(runs[0]):
            runs += [engine.aside(tree, suite, base=tree, stop=stop).verdict for _ in range(repeats - 1)]
    except (EnvironmentFault, InputError) as error:
        return Warmth("failed", note=str(error))
    return _sum_up(runs, engine, tree)


def _sum_up(runs: Sequence[Verdict], engine: Warmer, tree: TreeId) -> Warmth:
    odd = next((run for run in runs if run.status not in {Status.GREEN, Status.RED}), None)
    if odd is not None:
        return Warmth("failed", diagnostics=odd.errors, note=odd.note or f"judging it ended in {odd.status.value}")
    flaky = unsteady(runs)
    bad = next((run for run in runs if not counts_as_green(run, flaky)), None)
    if bad is not None:
        return Warmth("red", flaky=tuple(sorted(flaky)), diagnostics=bad.errors, note=bad.note)
    places = engine.warm.places(tree)
    if places and not all(place.built for place in places):
        return Warmth("failed", note="it was not built in time, so that much of it would be built for every edit")
    passed = [Counter(test.name for test in run.tests if test.status is TestStatus.PASSED) for run in runs]
    steady = Counter({name: count for name, count in passed[0].items() if name not in flaky})
    return Warmth("green", tests=tuple(sorted(steady.elements())), flaky=tuple(sorted(flaky)))
