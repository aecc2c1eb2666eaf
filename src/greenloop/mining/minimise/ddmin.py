"""The minimising delta debugging algorithm, ddmin.

A. Zeller and R. Hildebrandt, *Simplifying and Isolating Failure-Inducing Input*, IEEE Transactions on Software
Engineering 28(2), 2002. There a test fails, and as little input as possible shall still make it fail; here a set of
changes mends, and as few of them as possible shall still mend.

The questions are yielded, and the answers sent: so many searches can wait for one batch of builds.
"""

from collections.abc import Generator, Iterator, Sequence

Numbers = frozenset[int]
Ask = Generator[Numbers, bool, bool]
Search = Generator[Numbers, bool, Numbers]


class Answers:
    """What is known of sets of changes: each is asked for once, and at most ``limit`` of them.

    Nothing is asked about no change at all: the caller knows that it mends nothing.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.cut_short = False
        """Whether a question was left open because the limit was reached."""
        self._known: dict[Numbers, bool] = {frozenset(): False}

    @property
    def asked(self) -> int:
        """How many questions were asked."""
        return len(self._known) - 1

    def ask(self, numbers: Numbers) -> Ask:
        """Return whether these changes mend; beyond the limit they do not, for all that is known."""
        if numbers not in self._known:
            if self.asked >= self.limit:
                self.cut_short = True
                return False
            self._known[numbers] = yield numbers
        return self._known[numbers]


def ddmin(groups: Sequence[Numbers], answers: Answers) -> Search:
    """Return the changes of as few of ``groups`` as mend; all of them together are known to mend.

    Unless ``answers`` were cut short the result is 1-minimal: without any one of its groups it mends no more. Takes at
    most n² + 3n questions for n groups, and about 2·log₂ n where one group is enough.
    """
    kept, parts = tuple(groups), 2
    while len(kept) > 1:
        pieces = tuple(_pieces(kept, min(parts, len(kept))))
        smaller = yield from _first(pieces, answers)
        if smaller:
            kept, parts = smaller, 2
            continue
        others = tuple(tuple(one for one in kept if one not in piece) for piece in pieces)
        smaller = yield from _first(others, answers)
        if smaller:
            kept, parts = smaller, max(parts - 1, 2)
        elif parts >= len(kept):
            break
        else:
            parts *= 2
    return _union(kept)


def _first(
    candidates: Sequence[tuple[Numbers, ...]], answers: Answers
) -> Generator[Numbers, bool, tuple[Numbers, ...] | None]:
    for candidate in candidates:
        if (yield from answers.ask(_union(candidate))):
            return candidate
    return None


def _pieces(kept: tuple[Numbers, ...], parts: int) -> Iterator[tuple[Numbers, ...]]:
    """Yield ``kept`` in so many runs, in order, whose lengths differ by one at most."""
    start = 0
    for left in range(parts, 0, -1):
        end = start + -(-(len(kept) - start) // left)
        yield kept[start:end]
        start = end


def _union(groups: Sequence[Numbers]) -> Numbers:
    return frozenset().union(*groups)
