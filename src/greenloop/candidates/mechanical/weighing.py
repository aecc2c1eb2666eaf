"""The order in which edits are tried: the likeliest first, by weights fitted to real sessions.

``weights.json`` holds a weight for each word of ``features``. What an edit's words weigh together makes it more or less
likely than the others at its place: likelihoods are the logarithms of shares that sum up to 1. How the weights were
fitted, and to whose sessions: ``benchmarks/search_weights.py`` and ``docs/search.md``.
"""

import json
import math
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from greenloop.candidates.mechanical.changes import applied, changes_at
from greenloop.candidates.mechanical.features import Features
from greenloop.candidates.mechanical.site import Change, Site
from greenloop.records import Category
from greenloop.workspace.syntax import items, parsed

_PARSED = 300
"""So many of the likeliest edits of a syntax error are parsed, to try first what parses."""


@cache
def weights() -> Mapping[str, float]:
    """Return word → weight; a word that is not there weighs nothing."""
    held: dict[str, float] = json.loads(files(__package__).joinpath("weights.json").read_text("utf-8"))
    return held


def weighed(site: Site, by: Mapping[str, float] | None = None) -> list[tuple[float, Change]]:
    """Return every edit at ``site`` with its likelihood, the likeliest first; equals stand as they were made."""
    table = weights() if by is None else by
    features = Features(site)
    every = [(sum(table.get(word, 0.0) for word in features.of(change)), change) for change in changes_at(site)]
    if not every:
        return []
    most = max(weight for weight, _ in every)
    whole = most + math.log(sum(math.exp(weight - most) for weight, _ in every))
    return sorted(((weight - whole, change) for weight, change in every), key=lambda one: -one[0])


def in_order(site: Site, by: Mapping[str, float] | None = None) -> Iterator[tuple[float, Change]]:
    """Yield the edits in the order in which they are worth a check.

    What no longer parses is left out where the definition did parse. Where it did not, what makes it parse comes first.
    """
    every = weighed(site, by)
    around = _Around(site)
    if site.error.category is not Category.SYNTAX:
        yield from (one for one in every if not around.parsed or around.parses(one[1]))
        return
    head, rest = every[:_PARSED], every[_PARSED:]
    fits = [around.parses(change) for _, change in head]
    yield from (one for one, fit in zip(head, fits, strict=True) if fit)
    yield from (one for one, fit in zip(head, fits, strict=True) if not fit)
    yield from rest


class _Around:
    """The definition that holds the error, with the one before it where the error is of syntax: quick to parse."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._start, self._end = 0, len(site.source)
        span = site.error.span
        if site.language is not None and span is not None:
            found = items(site.source, site.language)
            held = [one for one, item in enumerate(found) if item.first_line <= span.end_line]
            if held:
                first = found[max(0, held[-1] - (site.error.category is Category.SYNTAX))]
                lines = [0, *(at + 1 for at, byte in enumerate(site.source) if byte == 10), len(site.source)]
                self._start = lines[first.first_line - 1]
                self._end = lines[max(found[held[-1]].last_line, span.end_line)]
        self.parsed = self._understood(site.source[self._start : self._end])

    def parses(self, change: Change) -> bool:
        """Whether the definition parses after the edit; an edit outside of it is taken to be well."""
        if change.start < self._start or change.end > self._end:
            return True
        text = applied(self._site.source, change)
        return self._understood(text[self._start : len(text) - (len(self._site.source) - self._end)])

    def _understood(self, text: bytes) -> bool:
        return self._site.language is None or parsed(text, self._site.language) is not None
