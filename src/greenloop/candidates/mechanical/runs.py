"""Runs of tokens that may be one expression: brackets balance in them."""

from collections.abc import Iterator

from greenloop.candidates.mechanical.kinds import ATOMS, CLOSING, OPENING
from greenloop.candidates.mechanical.site import Site

_NEVER_INSIDE = frozenset({";;", "let", "in", "then", "else", "match", "with", "|", "type", "and", "fun", "function"})


def closing_of(site: Site, place: int, longest: int) -> int | None:
    """Return the bracket that closes the one at ``place``, at most ``longest`` tokens on; ``None`` without one."""
    depth = 0
    for at in range(place, min(len(site.kinds), place + longest)):
        depth += (site.kinds[at] in OPENING) - (site.kinds[at] in CLOSING)
        if depth == 0:
            return at
    return None


def runs_from(site: Site, first: int, longest: int) -> Iterator[int]:
    """Yield the ends, exclusive, of the runs of at most ``longest`` tokens that begin with the token ``first``."""
    depth = 0
    for at in range(first, min(len(site.kinds), first + longest)):
        kind = site.kinds[at]
        if kind in OPENING:
            depth += 1
        elif kind in CLOSING:
            depth -= 1
        if depth < 0 or (depth == 0 and kind in _NEVER_INSIDE):
            return
        if depth == 0 and (kind in ATOMS or kind in CLOSING):
            yield at + 1


def group_at(site: Site, place: int, longest: int) -> int | None:
    """Return the end, exclusive, of the atom, path or bracketed group that begins at ``place``; ``None`` for others."""
    if place >= len(site.kinds):
        return None
    if site.kinds[place] in OPENING:
        closing = closing_of(site, place, longest)
        return None if closing is None else closing + 1
    if site.kinds[place] not in ATOMS:
        return None
    end = place + 1
    while end + 1 < len(site.kinds) and site.kinds[end] == "." and site.kinds[end + 1] in ATOMS:
        end += 2
    return end


def group_before(site: Site, end: int, longest: int) -> int | None:
    """Return where the atom, path or bracketed group begins that ends before the token ``end``."""
    for first in range(end - 1, max(-1, end - 1 - longest), -1):
        inside_path = first > 0 and site.kinds[first - 1] == "." and site.kinds[first] in ATOMS
        if not inside_path and group_at(site, first, longest) == end:
            return first
    return None
