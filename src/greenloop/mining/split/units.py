"""Units: fragments that need each other, and an order in which each unit comes after what it needs."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from greenloop.mining.split.edges import Edges, Needs
from greenloop.mining.split.fragments import Parts


@dataclass(frozen=True)
class Unit:
    """Fragments that come together, what other units they need (``needs``: places in the order), and their size."""

    fragments: tuple[int, ...]
    needs: frozenset[int]
    lines: int
    paths: frozenset[str]


def units(parts: Parts, edges: Edges, limit: int) -> tuple[Unit, ...]:
    """Return all fragments as units, each behind those that it needs.

    A knot of suspicions beyond ``limit`` lines is untied: only what it may not do without holds it together then.
    """
    count = len(parts.fragments)
    groups = _knots(range(count), edges.hard | edges.soft)
    loose: set[int] = set()
    tight: list[tuple[int, ...]] = []
    for group in groups:
        if _size(parts, group, edges) <= limit:
            tight.append(group)
            continue
        loose |= set(group)
        tight += _knots(group, edges.hard)
    kept = edges.hard | {(a, b) for a, b in edges.soft if not (a in loose and b in loose)}
    return _ordered(parts, tight, kept, edges)


def _knots(members: Collection[int], needs: Iterable[Needs]) -> list[tuple[int, ...]]:
    """Return the strongly connected components, each sorted, by their first members."""
    place = {number: at for at, number in enumerate(members)}
    inside = [(place[a], place[b]) for a, b in needs if a in place and b in place]
    if not place:
        return []
    rows, columns = np.array(inside, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(inside)), (rows, columns)), shape=(len(place), len(place)))
    _, labels = connected_components(graph, directed=True, connection="strong")
    groups: dict[int, list[int]] = defaultdict(list)
    for number, at in place.items():
        groups[int(labels[at])].append(number)
    return sorted(tuple(sorted(group)) for group in groups.values())


def _size(parts: Parts, group: Iterable[int], edges: Edges) -> int:
    """Return how many lines a group changes; of a file that moved, only what differs counts."""
    moved = {path: move for move in edges.moves for path in (move.old, move.new)}
    held = [parts.fragments[number] for number in group]
    journeys = {moved[one.path] for one in held if one.path in moved}
    return sum(one.lines for one in held if one.path not in moved) + sum(move.lines for move in journeys)


def _ordered(parts: Parts, groups: Sequence[tuple[int, ...]], needs: Iterable[Needs], edges: Edges) -> tuple[Unit, ...]:
    """Put groups in order: of those that may come next, the one nearest to what came last."""
    of = {number: place for place, group in enumerate(groups) for number in group}
    wants: dict[int, set[int]] = {place: set() for place in range(len(groups))}
    for a, b in needs:
        if of[a] != of[b]:
            wants[of[a]].add(of[b])
    paths = [frozenset(parts.fragments[number].path for number in group) for group in groups]
    sorter = TopologicalSorter(wants)
    sorter.prepare()
    ready: set[int] = set()
    order: list[int] = []
    while sorter.is_active():
        ready |= set(sorter.get_ready())
        last = order[-1] if order else None

        def near(place: int, last: int | None = last) -> tuple[bool, bool, bool, int]:
            if last is None:
                return (_prose(paths[place]), False, False, place)
            return (_prose(paths[place]), last not in wants[place], not paths[place] & paths[last], place)

        chosen = min(ready, key=near)
        ready.remove(chosen)
        sorter.done(chosen)
        order.append(chosen)
    at = {place: number for number, place in enumerate(order)}
    return tuple(
        Unit(groups[place], frozenset(at[other] for other in wants[place]), _size(parts, groups[place], edges),
             paths[place])
        for place in order
    )  # fmt: skip


def _prose(paths: frozenset[str]) -> bool:
    """Whether no build reads any of these files, which come last: they would hide what a build says of a piece."""
    return all(path.endswith((".md", ".txt", ".opam", ".nix", ".yml", ".adoc", ".rst")) for path in paths)
