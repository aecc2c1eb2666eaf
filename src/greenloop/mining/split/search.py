"""Pieces by trial: builds say which units may come next, and what a red one still needs.

A piece is the longest run of units, in their order, that stays within the limit. Where it is red, bisection finds the
longest green run of it. The unit behind that is red by itself. What its errors name is tried with it; if that is not
enough, or too much, bisection finds the shortest run of pending units with which it is green: the last of the run is
needed, and the unit waits behind it. Units that wait for each other become one. So every prefix that is returned was
built, and found green; the last is the target.

The number of builds is bounded, whatever the dependencies are: beyond 3·n·log₂ n + 3, where n is the number of pieces
planned at first, what is known to be green is taken as it is, coarser than it might be.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from greenloop.mining.split.units import Unit

Trial = Callable[[frozenset[int]], "Answer"]
"""Judges the tree in which the units of these places are made."""


@dataclass(frozen=True)
class Answer:
    """What a build said. ``suspects`` rates a unit that might be missing: the smaller, the sooner it is tried."""

    green: bool
    suspects: Callable[[int], int] = lambda _place: 0


@dataclass(frozen=True)
class Group:
    """Units that make one piece. ``reason`` says why it is no smaller, where it is beyond the limit."""

    places: tuple[int, ...]
    reason: str = ""


class Search:
    """One search for the pieces of units in their order; ``trial`` is asked for each set of units at most once.

    Nothing is asked about no units or all: the caller knows that both are green.
    """

    def __init__(self, units: Sequence[Unit], trial: Trial, limit: int) -> None:
        self._units = units
        self._trial = trial
        self._limit = limit
        self._known: dict[frozenset[int], Answer] = {}
        self._done: frozenset[int] = frozenset()
        self._pending = list(range(len(units)))
        self._cleared: set[int] = set()
        self._learned: dict[int, set[int]] = defaultdict(set)
        self.planned = self._plan()
        """How many pieces there were if every build were green."""
        self._most = math.floor(3 * self.planned * math.log2(max(self.planned, 1))) + 3
        self.trials = 0

    def run(self) -> tuple[Group, ...]:
        """Return the pieces in order; neighbours that fit together are one."""
        found: list[Group] = []
        while self._pending:
            chunk = self._pack()
            if not self._green(chunk):
                if self.spent:
                    found.append(self._take(self._pending, "the builds allowed were spent"))
                    break
                chunk = chunk[: self._longest(chunk)]
            if chunk:
                found.append(self._take(chunk, self._too_long(chunk)))
            else:
                found += self._unblock(self._pending[0])
        return self._joined(found)

    @property
    def spent(self) -> bool:
        """Whether no further build is allowed."""
        return self.trials >= self._most

    def _plan(self) -> int:
        count, size = 0, self._limit
        for unit in self._units:
            size += unit.lines
            if size > self._limit:
                count, size = count + 1, unit.lines
        return count

    def _pack(self) -> list[int]:
        chunk: list[int] = []
        size = 0
        for place in self._pending:
            size += self._units[place].lines
            if chunk and size > self._limit:
                break
            chunk.append(place)
        return chunk

    def _longest(self, chunk: Sequence[int]) -> int:
        """Return how many units of a red chunk make a green one, with one more of them red."""
        low, high = 0, len(chunk)
        while high - low > 1 and not self.spent:
            middle = (low + high) // 2
            if self._green(chunk[:middle]):
                low = middle
            else:
                high = middle
        return low

    def _unblock(self, first: int) -> list[Group]:
        """Return the group that makes ``first`` green, or none: then it waits behind what it was found to need."""
        closed = self._grown(first)
        if not self._green(closed):
            rest = sorted((place for place in self._pending if place != first), key=self._answer([first]).suspects)
            count = self._shortest([first], rest)
            if self.spent:
                return [self._take([first, *rest[:count]], "the builds allowed were spent")]
            if not self._waits_for(rest[count - 1], first):
                self._learned[first].add(rest[count - 1])
                self._put_behind(first, rest[:count])
                return []
            closed = self._closed(first, self._pending)
        if self._size(closed) <= self._limit:
            return [self._take(closed, "")]
        # too much for one piece, unless it is a knot: is the rest of it green by itself, so that ``first`` may follow?
        others = [place for place in closed if place != first]
        if first in self._cleared or first in self._with_needs(others) or not self._green(others):
            closed = self._closed(first, closed)
            return [self._take(closed, self._too_long(closed))]
        self._cleared.add(first)
        self._learned[first] = set(others)
        for place in others:
            self._learned[place] &= set(others)
        self._put_behind(first, others)
        return []

    def _put_behind(self, first: int, others: Collection[int]) -> None:
        self._pending.remove(first)
        self._pending.insert(1 + max(self._pending.index(place) for place in others), first)
        self._sort()

    def _waits_for(self, place: int, other: int) -> bool:
        """Whether ``place`` needs ``other``, directly or not, by what is known or was learned."""
        seen: set[int] = set()
        todo = [place]
        while todo:
            one = todo.pop()
            if one == other:
                return True
            if one not in seen:
                seen.add(one)
                todo += (self._units[one].needs | self._learned[one]) - self._done
        return False

    def _sort(self) -> None:
        """Put each pending unit behind what it needs, and leave the rest of their order."""
        order: dict[int, None] = {}
        for place in self._pending:
            todo = [place]
            while todo:
                wants = (self._units[todo[-1]].needs | self._learned[todo[-1]]) - self._done - order.keys()
                if wants:
                    todo.append(min(wants))
                else:
                    order[todo.pop()] = None
        self._pending = list(order)

    def _closed(self, first: int, within: Collection[int]) -> list[int]:
        """Return units of ``within``, which is green, that are green with ``first`` among them.

        Bisection finds units without which it is red, until no other is left.
        """
        needed = [first]
        rest = [place for place in within if place != first]
        while not self._green(needed):
            rest.sort(key=self._answer(needed).suspects)
            count = self._shortest(needed, rest)
            if self.spent:
                return self._with_needs([*needed, *rest[:count]])
            needed.append(rest[count - 1])
            rest = rest[: count - 1]
        return self._with_needs(needed)

    def _grown(self, first: int) -> list[int]:
        """Return ``first`` with what the errors name, again and again, until it is green or they name nothing new."""
        grown = self._with_needs([first])
        while not self._green(grown):
            answer = self._answer(grown)
            left = [place for place in self._pending if place not in grown]
            worst = max(map(answer.suspects, left), default=0)
            rated = [place for place in left if answer.suspects(place) < worst]
            if not rated or self.spent:
                return grown
            best = min(map(answer.suspects, rated))
            grown = self._with_needs([*grown, *(place for place in rated if answer.suspects(place) == best)])
        return grown

    def _shortest(self, needed: Sequence[int], rest: Sequence[int]) -> int:
        """Return how many of ``rest`` make ``needed`` green, where one fewer does not; all of them always do."""
        low, high = 0, 1
        # what is needed is mostly near
        while high < len(rest) and not self.spent and not self._green([*needed, *rest[:high]]):
            low, high = high, 2 * high
        high = min(high, len(rest))
        if self.spent and high < len(rest) and not self._is_known_green([*needed, *rest[:high]]):
            return len(rest)
        while high - low > 1 and not self.spent:
            middle = (low + high) // 2
            if self._green([*needed, *rest[:middle]]):
                high = middle
            else:
                low = middle
        return high

    def _take(self, places: Collection[int], reason: str) -> Group:
        closed = self._with_needs(places)
        taken = set(closed)
        self._done |= taken
        self._pending = [place for place in self._pending if place not in taken]
        return Group(tuple(closed), reason if self._size(closed) > self._limit else "")

    def _with_needs(self, places: Iterable[int]) -> list[int]:
        """Return pending units with all that they are known to need, in order."""
        found: set[int] = set()
        todo = list(places)
        while todo:
            place = todo.pop()
            if place not in found and place not in self._done:
                found.add(place)
                todo += self._units[place].needs
        return sorted(found)

    def _green(self, places: Iterable[int]) -> bool:
        return self._answer(places).green

    def _is_known_green(self, places: Iterable[int]) -> bool:
        known = self._known.get(self._done | frozenset(self._with_needs(places)))
        return known is not None and known.green

    def _answer(self, places: Iterable[int]) -> Answer:
        made = self._done | frozenset(self._with_needs(places))
        if len(made) == len(self._units) or made == self._done:
            return Answer(green=True)
        if made not in self._known:
            if self.spent:
                return Answer(green=False)
            self.trials += 1
            self._known[made] = self._trial(made)
        return self._known[made]

    def _size(self, places: Iterable[int]) -> int:
        return sum(self._units[place].lines for place in places)

    def _too_long(self, places: Sequence[int]) -> str:
        whole = len(places) == 1 and len(self._units[places[0]].fragments) == 1
        return "nothing says where it could be cut" if whole else "its parts were not green one without the other"

    def _joined(self, groups: Iterable[Group]) -> tuple[Group, ...]:
        """Return groups with neighbours as one where they fit: fewer stops on a green way are green."""
        found: list[Group] = []
        for group in groups:
            last = found[-1] if found else None
            if last is not None and self._size((*last.places, *group.places)) <= self._limit:
                found[-1] = Group((*last.places, *group.places))
            else:
                found.append(group)
        return tuple(found)
