"""A bound on how many judgements run at a time, fair between those who ask."""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from greenloop.builds.judge import Judge, Progress
from greenloop.builds.stop import Stop
from greenloop.records import Suite, TreeId, Verdict

_STEP = 0.05
"""How often, in seconds, somebody who waits looks whether anybody still wants it."""


class Gate:
    """``width`` may be inside at a time. Those who wait enter by turns of their keys, and of one key in their order."""

    def __init__(self, width: int) -> None:
        self._changed = threading.Condition()
        self._free = max(1, width)
        self._waiting: OrderedDict[str, deque[object]] = OrderedDict()

    @contextmanager
    def inside(self, key: str, stop: Stop) -> Iterator[None]:
        """Wait for room, and be inside while the block runs. Raises ``Cancelled`` when ``stop`` is requested."""
        ticket = object()
        with self._changed:
            self._waiting.setdefault(key, deque()).append(ticket)
            try:
                while not self._next(key, ticket):
                    stop.check()
                    self._changed.wait(_STEP)
                self._free -= 1
                # this key's turn is over: the others come before its next
                self._waiting.move_to_end(key)
            finally:
                self._waiting[key].remove(ticket)
                if not self._waiting[key]:
                    del self._waiting[key]
                self._changed.notify_all()
        try:
            stop.check()
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def _next(self, key: str, ticket: object) -> bool:
        return self._free > 0 and next(iter(self._waiting)) == key and self._waiting[key][0] is ticket


class GatedJudge:
    """A ``Judge`` that asks another one tree by tree, each through the gate, until ``stop`` is requested."""

    def __init__(self, judge: Judge, gate: Gate, key: str, stop: Stop) -> None:
        self._whole = judge
        self._judge = judge.until(stop)
        self._gate = gate
        self._key = key
        self._stop = stop

    @property
    def fingerprint(self) -> str:
        """The other's."""
        return self._judge.fingerprint

    def until(self, stop: Stop) -> "GatedJudge":
        """See ``Judge.until``."""
        return GatedJudge(self._whole, self._gate, self._key, stop)

    def judge(self, tree: TreeId, suite: Suite) -> Verdict:
        """See ``Judge.judge``."""
        with self._gate.inside(self._key, self._stop):
            return self._judge.judge(tree, suite)

    def judge_many(
        self, trees: Iterable[TreeId], suite: Suite, progress: Progress | None = None
    ) -> dict[TreeId, Verdict]:
        """See ``Judge.judge_many``; one after another, so that others have their turns in between."""
        distinct = tuple(dict.fromkeys(trees))
        found: dict[TreeId, Verdict] = {}
        for tree in distinct:
            found[tree] = self.judge(tree, suite)
            if progress is not None:
                progress(len(found), len(distinct))
        return found

    def confirm(
        self, trees: Iterable[TreeId], suite: Suite, times: int, progress: Progress | None = None
    ) -> frozenset[TreeId]:
        """See ``Judge.confirm``."""
        with self._gate.inside(self._key, self._stop):
            return self._judge.confirm(trees, suite, times, progress)
