"""One kind of secret: what it looks like, and what speaks against a match.

Patterns here are RE2's, over bytes as they are, whatever their encoding.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

import re2

ACCEPTED = (b"pragma: allowlist secret", b"gitleaks:allow")
"""A line that holds one of these is one that a person has looked at: the markers of detect-secrets and of gitleaks."""

MOST_LOOKED_AT = 1000
"""Matches of one rule in one file that are looked at one by one; a file with more of them is stopped."""

Parts = Sequence[tuple[int, int]]
"""Parts of a content, from and to, in order and apart."""

_OPTIONS = re2.Options()
_OPTIONS.encoding = re2.Options.Encoding.LATIN1
_OPTIONS.log_errors = False


def linear(regex: str) -> Any:
    """Compile ``regex`` for RE2, whose time is linear in the input; raises ``re2.error`` for what it cannot say."""
    return re2.compile(regex.encode(), options=_OPTIONS)


def entropy(secret: bytes) -> float:
    """Return the Shannon entropy of ``secret``'s bytes, in bits a byte."""
    total = len(secret)
    return -sum(n / total * log2(n / total) for n in Counter(secret).values()) if total else 0.0


@dataclass(frozen=True, slots=True)
class Guards:
    """What a secret must be, so that ordinary code is none; everything by default."""

    entropy: float = 0.0
    """Shannon entropy in bits a byte that a secret must exceed."""
    needs: tuple[Any, ...] = ()
    """Patterns that must all be found in the secret."""
    refused: tuple[Any, ...] = ()
    """Patterns none of which may be found in the secret."""
    refused_around: tuple[Any, ...] = ()
    """Patterns none of which may be found in the match with a byte on either side of it."""
    valid: Callable[[bytes], bool] | None = None
    """What else its detector asks of a secret."""

    def let_through(self, secret: bytes, around: bytes) -> bool:
        """Return whether ``secret`` may be one."""
        return (
            (not self.entropy or entropy(secret) > self.entropy)
            and all(pattern.search(secret) for pattern in self.needs)
            and not any(pattern.search(secret) for pattern in self.refused)
            and not any(pattern.search(around) for pattern in self.refused_around)
            and (self.valid is None or self.valid(secret))
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One kind of secret."""

    id: str
    regex: str
    """In the dialect that RE2 and Hyperscan share, flags first."""
    pattern: Any
    """``regex`` compiled."""
    guards: Guards = Guards()
    group: int = 0
    """The group that holds the secret; 0 means that the whole match is one."""
    gate: str = ""
    """A shorter expression for Hyperscan, found in whatever ``regex`` matches; none means ``regex`` itself."""
    reach: int = 0
    """Bytes before and after the end of the gate's match outside which nothing matches; 0 means anywhere."""

    def holds(self, content: bytes, within: Parts | None = None) -> bool:
        """Return whether ``content`` holds a secret of this kind, or more that looks like one than can be looked at.

        ``within`` are the parts of it outside which nothing matches.
        """
        looked_at = 0
        for start, end in ((0, len(content)),) if within is None else within:
            for match in self.pattern.finditer(content[start:end]):
                looked_at += 1
                if looked_at > MOST_LOOKED_AT or self._is_secret(match, start, content):
                    return True
        return False

    def _is_secret(self, match: Any, offset: int, content: bytes) -> bool:
        start, end = offset + match.start(), offset + match.end()
        if not self.guards.let_through(match.group(self.group), content[max(0, start - 1) : end + 1]):
            return False
        # a minified line can be the whole file: what counts stands beside the match
        before, after = content[max(0, start - 500) : start], content[end : end + 500]
        line = before[before.rfind(b"\n") + 1 :] + content[start:end] + after.partition(b"\n")[0]
        return not any(marker in line for marker in ACCEPTED)
