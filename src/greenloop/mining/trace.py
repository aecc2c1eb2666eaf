"""What a mining pass tells whoever watches it: nothing is kept here, and nothing changes by being watched."""

from collections.abc import Mapping, Sequence

from greenloop.mining.episodes import Lesson, Run
from greenloop.mining.states import Stretch
from greenloop.records import Example, TreeId, Verdict


class Trace:
    """Takes no notice; a subclass overrides what it wants to know.

    ``rule`` is the name of the rule that dropped something, as the funnel counts it, and empty where none did.
    """

    def stretch(self, stretch: Stretch, verdicts: Mapping[TreeId, Verdict]) -> None:
        """Notice a stretch whose states are judged."""

    def run(self, run: Run, rule: str) -> None:
        """Notice a run of red: what it teaches follows as candidates."""

    def candidate(self, lesson: Lesson, example: Example | None, rule: str) -> None:
        """Notice a candidate: ``example`` is what it became, also where ``rule`` calls it a duplicate."""

    def minimised(self, fates: Sequence[tuple[Example, Example, str]]) -> None:
        """Notice all that were mined, in order: each as it was, in its smaller form, and the rule."""

    def dropped(self, example: Example, rule: str) -> None:
        """Notice an example that was dropped at the very end."""
