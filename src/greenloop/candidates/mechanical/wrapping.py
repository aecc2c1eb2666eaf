"""Brackets around a run of tokens, other brackets around what has some, a conversion around a value."""

from collections.abc import Iterator

from greenloop.candidates.mechanical.kinds import ATOMS, Kind
from greenloop.candidates.mechanical.runs import closing_of, runs_from
from greenloop.candidates.mechanical.site import Change, Site
from greenloop.candidates.mechanical.tables import Table

_LONGEST = 14
_BEGINS = ATOMS | {"(", "[", "-", "fun", "!", "begin"}


def wrapping(site: Site, table: Table) -> Iterator[Change]:
    """Yield every wrapping of a run that begins near the error."""
    for first in range(site.begin, site.stop):
        if site.kinds[first] not in _BEGINS or (first and site.kinds[first - 1] == "."):
            continue
        for end in runs_from(site, first, _LONGEST):
            yield from _wrapped(site, table, first, end)
        yield from _other_brackets(site, first)


def _wrapped(site: Site, table: Table, first: int, end: int) -> Iterator[Change]:
    inner, length = site.text(first, end), end - first
    head = "-" if site.kinds[first] == "-" else ("1" if length == 1 else "n")
    if length > 1:
        yield site.replacement(first, end, b"(" + inner + b")", "wrap", f"( {head} )")
    if head != "-":
        yield site.replacement(first, end, b"[" + inner + b"]", "wrap", f"[ {head} ]")
    exact = (first, end) == (site.first, site.last)
    if exact or (length == 1 and site.kinds[first] in ATOMS - {Kind.CONSTRUCTOR}):
        argument = inner if length == 1 else b"(" + inner + b")"
        for call in table.calls:
            yield site.replacement(first, end, b"(" + call.encode() + b" " + argument + b")", "call", f"call {call}")
    if exact and length > 1 and table.constants:
        yield site.replacement(first, end, inner + b" :: []", "wrap", "n :: []")


def _other_brackets(site: Site, first: int) -> Iterator[Change]:
    kind = site.kinds[first]
    closing = closing_of(site, first, _LONGEST) if kind in {"(", "["} else None
    if closing is not None and closing > first + 1:
        inner = site.source[site.tokens[first].end : site.tokens[closing].start]
        other = (b"[", b"]") if kind == "(" else (b"(", b")")
        yield site.replacement(
            first, closing + 1, other[0] + inner + other[1], "wrap", f"{kind} => {other[0].decode()}"
        )
