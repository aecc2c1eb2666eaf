"""Judging replies in threads of its own, while the model generates the next ones.

The path is that of ``greenloop eval``: the reply is read, applied, protected files are put back, judged and assessed
(``candidates.examine``), then measured (``evals.measures``). A fault of the machine about one task leaves its replies
without a reward; a judge that is not to be had at all raises, and the run can be resumed.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from greenloop.candidates.attempt import Outcome
from greenloop.candidates.examine import Rules, examine
from greenloop.candidates.sampling import proposal_of
from greenloop.evals.measures import Marker
from greenloop.models.seam import Reply
from greenloop.records import EnvironmentFault, InfrastructureError
from greenloop.training.bench import Bench, Exercises
from greenloop.training.questions import Asked
from greenloop.training.rewards import Judged

Ends = tuple[Judged | None, ...]
"""What became of the replies to one task; None where nobody could tell."""


@dataclass(frozen=True, slots=True)
class Waited:
    """The ends of one batch, and the seconds that were spent waiting for them."""

    groups: tuple[Ends, ...]
    seconds: float


class Judging:
    """Judges groups of replies, ``at_once`` tasks at a time. Use it in ``with``: it ends its threads.

    After ``max_faults`` batches in a row of which nothing was judged, ``wait`` raises ``EnvironmentFault``.
    """

    def __init__(self, bench: Bench, exercises: Exercises, *, at_once: int, max_faults: int) -> None:
        self._bench = bench
        self._exercises = exercises
        self._marker = Marker(bench.store, bench.judge, bench.behaviours)
        self._crew = ThreadPoolExecutor(at_once, "verdicts")
        self._max_faults = max_faults
        self._faults = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the threads; what they have not begun is not judged."""
        self._crew.shutdown(cancel_futures=True)

    def submit(self, asked: Asked, replies: Sequence[Reply]) -> Future[Ends]:
        """Have the replies to a task judged; returns at once."""
        return self._crew.submit(self._judge, asked, tuple(replies))

    def wait(self, futures: Sequence[Future[Ends]]) -> Waited:
        """Return the ends of a batch. Raises what kept its judge from answering."""
        start = time.monotonic()
        groups = tuple(future.result() for future in futures)
        seconds = time.monotonic() - start
        blind = all(one is None or not one.known for group in groups for one in group)
        self._faults = self._faults + 1 if blind else 0
        if self._faults >= self._max_faults:
            raise EnvironmentFault(
                f"of {self._faults} batches in a row nobody could judge any reply",
                "look at the toolchain or the evaluation service, and go on with --resume",
            )
        return Waited(groups, seconds)

    def _judge(self, asked: Asked, replies: tuple[Reply, ...]) -> Ends:
        task, bench = asked.task, self._bench
        proposals = [proposal_of("policy", reply, asked.context) for reply in replies]
        rules = Rules(task.suite, task.max_changed_lines, bench.protected, max_judged=len(proposals))
        try:
            attempts = examine(bench.store, bench.judge, asked.before, proposals, rules)
            marks = self._marker.marks(self._marker.key(self._exercises.answers.get(task.id), task.suite), attempts)
        except InfrastructureError:
            return tuple(None for _ in replies)
        return tuple(
            None if attempt.outcome is Outcome.UNJUDGED else Judged(attempt, mark)
            for attempt, mark in zip(attempts, marks, strict=True)
        )
