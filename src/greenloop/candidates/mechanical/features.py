"""What an edit is known by when it is weighed: words, each of which has a weight."""

import difflib
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from greenloop.candidates.mechanical.kinds import ATOMS, CLOSING, OPENING, kind_of
from greenloop.candidates.mechanical.messages import message_class
from greenloop.candidates.mechanical.site import Change, Site
from greenloop.workspace.tokens import placed_tokens

_STEPS = (0, 1, 2, 3, 5, 8, 13)
_CLOSE = 0.7


@dataclass
class Features:
    """Says what the edits at one site are known by. Words are the same on every machine."""

    site: Site
    _pairs: Counter[tuple[bytes, bytes]] = field(init=False)
    _spelled: dict[bytes, list[bytes]] = field(init=False, default_factory=dict)
    """The tokens of texts that come in: few texts come in at many places."""

    def __post_init__(self) -> None:
        """Count which tokens follow each other in the file: what was written once is written again."""
        texts = [token.text for token in self.site.tokens]
        self._pairs = Counter(pairwise(texts))
        self._class = message_class(self.site.error)
        self._coarse = self.site.error.category.value

    def of(self, change: Change) -> tuple[str, ...]:
        """Return the words of one edit."""
        coarse, family, rule = self._coarse, change.family, change.rule
        place = self._place(change)
        known = self._known(change)
        words = [
            f"f|{coarse}|{family}",
            f"r|{rule}",
            f"cr|{coarse}|{rule}",
            f"mr|{self._class}|{rule}",
            f"p|{coarse}|{family}|{place}",
            f"rp|{rule}|{place}",
            f"l|{coarse}|{family}|{self._line(change)}",
            f"k|{family}|{known}",
            f"kc|{coarse}|{known}",
            f"n|{family}|{self._beside(change)}",
        ]
        if change.name >= 0:
            words += (f"rank|{coarse}|{family}|{_step(change.name)}", f"close|{coarse}|{self._close(change)}")
        return tuple(words)

    def _place(self, change: Change) -> str:
        """Where the edit is, seen from what the error points at."""
        site = self.site
        if change.last <= site.first and change.first < site.first:
            return f"before {_step(site.first - change.last)}"
        if change.first >= site.last:
            return f"behind {_step(change.first - site.last)}"
        if change.first < site.first or change.last > site.last:
            return "around from start" if change.first == site.first else "around"
        if change.first == site.first:
            return "all" if change.last == site.last else ("start" if change.last > change.first else "at start")
        return "end" if change.last == site.last else "inside"

    def _line(self, change: Change) -> str:
        site = self.site
        if site.first >= len(site.tokens):
            return "end"
        error = site.tokens[site.first].start
        at = change.start
        between = site.source.count(b"\n", min(at, error), max(at, error))
        return f"{'above' if at < error else 'below'} {min(between, 3)}" if between else "same"

    def _known(self, change: Change) -> str:
        """How many of the neighbourhoods that the edit makes stand elsewhere in the file, and how many it undoes."""
        site = self.site
        texts = [token.text for token in site.tokens[max(0, change.first - 1) : change.last + 1]]
        new = self._spelled.get(change.text)
        if new is None:
            new = self._spelled[change.text] = [token.text for token in placed_tokens(change.text, site.language)]
        before = [site.tokens[change.first - 1].text] if change.first else []
        after = [site.tokens[change.last].text] if change.last < len(site.tokens) else []
        old = list(pairwise(texts))
        made = list(pairwise([*before, *new, *after]))
        fresh = {pair for pair in made if pair not in old}
        if not fresh:
            return "same"
        gone = {pair for pair in old if pair not in made}
        seen = sum(1 for pair in fresh if self._pairs[pair])
        odd = sum(1 for pair in gone if self._pairs[pair] <= 1)
        share = "all" if seen == len(fresh) else ("some" if seen else "none")
        return f"{share} {min(odd, 2)}"

    def _beside(self, change: Change) -> str:
        """What stands left and right of the edit."""
        site = self.site
        left = _side(site.kinds[change.first - 1]) if change.first else "edge"
        right = _side(site.kinds[change.last]) if change.last < len(site.kinds) else "edge"
        return f"{left} {right}"

    def _close(self, change: Change) -> str:
        """Whether a name that comes in looks like the one that goes."""
        site = self.site
        if change.last != change.first + 1:
            return "none"
        old = site.tokens[change.first].text.decode("utf-8", "replace")
        new = change.text.decode("utf-8", "replace")
        if old.lower() == new.lower():
            return "letters"
        ratio = difflib.SequenceMatcher(None, old, new).ratio() if len(old) > 2 else 0.0
        return "close" if ratio >= _CLOSE else ("near" if ratio >= _CLOSE - 0.2 else "far")


def _step(distance: int) -> int:
    """The distance, rounded down to one of a few steps."""
    return max(step for step in _STEPS if step <= distance)


def _side(kind: str) -> str:
    if kind in ATOMS:
        return "atom"
    if kind in OPENING:
        return "opening"
    if kind in CLOSING:
        return "closing"
    return (
        kind if kind_of(kind.encode(), None) == "name" or kind in {"::", ",", ";", "->", "=", "|", ";;"} else "operator"
    )
