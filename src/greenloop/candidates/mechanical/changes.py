"""All edits at a site, each text once; layout aside, so that none is tried twice."""

from array import array
from collections.abc import Iterator
from itertools import chain

from greenloop.candidates.mechanical.inserting import inserting
from greenloop.candidates.mechanical.removing import removing
from greenloop.candidates.mechanical.replacing import replacing
from greenloop.candidates.mechanical.site import Change, Site
from greenloop.candidates.mechanical.swapping import swapping
from greenloop.candidates.mechanical.tables import table_of
from greenloop.candidates.mechanical.wrapping import wrapping


def changes_at(site: Site) -> Iterator[Change]:
    """Yield every edit of every kind at ``site``; of two that lead to the same code the first."""
    table = table_of(site.language)
    every = chain(replacing(site, table), wrapping(site, table), swapping(site), removing(site), inserting(site, table))
    text = _Code(site.source)
    seen: set[tuple[int, int, bytes]] = set()
    for change in every:
        name = text.name(change)
        # what only moves layout is nothing new, but where it makes one token of two
        if name not in seen and (name[1:] != (name[0], b"") or change.family == "join"):
            seen.add(name)
            yield change


def applied(source: bytes, change: Change) -> bytes:
    """Return the text after the edit."""
    return source[: change.start] + change.text + source[change.end :]


class _Code:
    """A text without layout: an edit is known by what it changes there, brought as far to the left as it goes."""

    def __init__(self, source: bytes) -> None:
        self._bare = b"".join(source.split())
        at, self._places = 0, array("L")
        for byte in source:
            self._places.append(at)
            at += not bytes((byte,)).isspace()
        self._places.append(at)

    def name(self, change: Change) -> tuple[int, int, bytes]:
        """Return (start, end, text) of an edit in the bare text: of one that changes nothing, (start, start, b"")."""
        bare, new = self._bare, b"".join(change.text.split())
        start, end = self._places[change.start], self._places[change.end]
        while start < end and new and bare[end - 1] == new[-1]:
            end, new = end - 1, new[:-1]
        while start < end and new and bare[start] == new[0]:
            start, new = start + 1, new[1:]
        while start and start == end and new and bare[start - 1] == new[-1]:
            start, end, new = start - 1, end - 1, new[-1:] + new[:-1]
        while start and start < end and not new and bare[start - 1] == bare[end - 1]:
            start, end = start - 1, end - 1
        return start, end, new
