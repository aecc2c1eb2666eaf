"""The catalogue of secrets: ``gitleaks.toml`` of gitleaks v8.30.1 as it is published (MIT, licence beside it), and the
few shapes that it lacks in ``more.toml``, in the same format.

Each regular expression is compiled twice. Hyperscan looks for all of them in one pass over the bytes: it has the speed,
and may say yes too often. RE2, the dialect that the catalogue is written in, confirms each of its hits and cuts out the
secret. Both take time linear in the input, whatever it is. Absent here: paths, and any memory of what was seen.
"""

import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import log2
from threading import Lock
from typing import Any

import hyperscan
import re2

ACCEPTED = (b"pragma: allowlist secret", b"gitleaks:allow")
"""A line that holds one of these is one that a person has looked at: the markers of detect-secrets and of gitleaks."""

MOST_LOOKED_AT = 2000
"""Matches of one rule in one file that are looked at one by one, about 0.1 s; a file with more of them is stopped."""

_END, _WIDER_END = r"""(?:[\x60'"\s;]|\\[nr]|$)""", r"""(?:[\x60'"\s;,:.&|<>(){}\[\]\\]|$)"""
"""The catalogue ends a token at a quote, a blank or a semicolon; here any punctuation does, as in ``f(ghp_..., 1)``."""

_ANY_WORD_BEFORE = r"[\w.-]{0,50}?"
_LOOSE = "generic-api-key"
LONGEST_LOOSE = 320
"""Bytes that a match of the generic rule can have at most: 50 + 10 + 20 + 3 + 3 + 5 + 150 + 2, and some more."""

_FIRST_HIT = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_PREFILTER
_LEFT_OUT = ("hashicorp-tf-password",)
"""A rule that is right in Terraform's files and far too loose elsewhere."""

_PATTERNS = re2.Options()
_PATTERNS.encoding = re2.Options.Encoding.LATIN1  # bytes as they are, whatever their encoding
_PATTERNS.log_errors = False


@dataclass(frozen=True, slots=True)
class Allowed:
    """What speaks for a match: that ``pattern`` is found in its ``target``."""

    target: str
    """``secret``, ``match`` or ``line``."""
    pattern: Any

    def __call__(self, secret: bytes, match: bytes, line: bytes) -> bool:
        """Return whether this match is harmless."""
        where = secret if self.target == "secret" else match if self.target == "match" else line
        return self.pattern.search(where) is not None


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One kind of secret."""

    id: str
    regex: str
    pattern: Any
    keywords: tuple[bytes, ...]
    """In small letters; one of them stands somewhere in a file that holds this kind. None means any file."""
    group: int
    """The group that holds the secret; 0 means the first that matched anything."""
    entropy: float
    """Shannon entropy in bits a byte that a secret must exceed; 0 means any."""
    allowed: tuple[Allowed, ...]

    def holds(self, content: bytes, within: Sequence[tuple[int, int]] = ((0, sys.maxsize),)) -> bool:
        """Return whether ``content`` holds a secret of this kind, or more that looks like one than can be looked at.

        ``within`` are the parts of it, from and to, outside which nothing matches.
        """
        lowered = content.lower() if self.keywords else b""
        if self.keywords and not any(keyword in lowered for keyword in self.keywords):
            return False
        looked_at = 0
        for start, end in within:
            for match in self.pattern.finditer(content[start:end]):
                looked_at += 1
                if looked_at > MOST_LOOKED_AT or self._is_secret(match, start, content):
                    return True
        return False

    def _is_secret(self, match: Any, offset: int, content: bytes) -> bool:
        whole = match.group()
        secret = match.group(self.group) if self.group else next((g for g in match.groups() if g), whole)
        if self.entropy and entropy(secret) <= self.entropy:
            return False
        # a minified line can be the whole file: what counts stands beside the match
        start, end = offset + match.start(), offset + match.end()
        before, after = content[max(0, start - 500) : start], content[end : end + 500]
        line = before[before.rfind(b"\n") + 1 :] + whole + after.partition(b"\n")[0]
        accepted = any(marker in line for marker in ACCEPTED)
        return not accepted and not any(allowed(secret, whole, line) for allowed in self.allowed)


class Catalogue:
    """All ``rules``, behind one gate."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self._gate = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._gate.compile(
            # a prefix that may be empty changes what matches, not whether anything does
            expressions=[rule.regex.replace(_ANY_WORD_BEFORE, "", 1).encode() for rule in rules],
            ids=list(range(len(rules))),
            flags=[0 if rule.id == _LOOSE else _FIRST_HIT for rule in rules],
        )
        self._gate.scratch = hyperscan.Scratch(self._gate)
        self._one_at_a_time = Lock()  # the gate has one scratch space

    def candidates(self, content: bytes) -> dict[Rule, list[tuple[int, int]]]:
        """Return every rule that may find something in ``content``, with the only parts of it where that can be."""
        hits: list[tuple[int, int]] = []
        with self._one_at_a_time:
            self._gate.scan(content, match_event_handler=lambda rule, _, end, *__: hits.append((rule, end)))
        found: dict[Rule, list[tuple[int, int]]] = {}
        for index, end in sorted(hits):
            rule = self.rules[index]
            if rule.id != _LOOSE:
                found[rule] = [(0, len(content))]
                continue
            parts, start = found.setdefault(rule, []), max(0, end - LONGEST_LOOSE)
            # parts that touch are one, so that a match is read from where it begins
            if parts and start <= parts[-1][1]:
                start, _ = parts.pop()
            parts.append((start, end))
        return found

    def first(self, content: bytes) -> str | None:
        """Return the id of the first rule that finds a secret in ``content``."""
        return next((rule.id for rule, parts in self.candidates(content).items() if rule.holds(content, parts)), None)


def entropy(secret: bytes) -> float:
    """Return the Shannon entropy of ``secret``'s bytes, in bits a byte."""
    total = len(secret)
    return -sum(n / total * log2(n / total) for n in Counter(secret).values()) if total else 0.0


@cache
def catalogue() -> Catalogue:
    """Return the catalogue; the first call in a process reads and compiles it, which takes about a second."""
    published, more = (tomllib.loads(resources.files(__name__).joinpath(name).read_text("utf-8"))
                       for name in ("gitleaks.toml", "more.toml"))  # fmt: skip
    everywhere = [it for table in (published, more) if "allowlist" in table for it in _allowed(table["allowlist"])]
    # as gitleaks itself does it: a rule of a known name adds what is allowed to the one that has it
    added = {table["id"]: table["allowlists"] for table in more["rules"] if "regex" not in table}
    rules = [table for table in (*more["rules"], *published["rules"]) if "regex" in table]
    rules.sort(key=lambda table: bool(table["id"] == _LOOSE))  # it finds most of what others have a name for
    return Catalogue(tuple(_rule(it, added.get(it["id"], []), everywhere) for it in rules if it["id"] not in _LEFT_OUT))


def _rule(table: dict[str, Any], added: list[dict[str, Any]], everywhere: list[Allowed]) -> Rule:
    regex = table["regex"]
    if table["id"] != _LOOSE and regex.endswith(_END):
        regex = regex.removesuffix(_END) + _WIDER_END
    lists = [it for it in (*table.get("allowlists", ()), *added) if "paths" not in it]
    own = [it for allowlist in lists for it in _allowed(allowlist)]
    return Rule(
        id=table["id"],
        regex=regex,
        pattern=re2.compile(regex.encode(), options=_PATTERNS),
        keywords=tuple(word.lower().encode() for word in table.get("keywords", ())),
        group=table.get("secretGroup", 0),
        entropy=table.get("entropy", 0.0),
        allowed=(*own, *everywhere),
    )


def _allowed(table: dict[str, Any]) -> Iterator[Allowed]:
    # one pattern for all, a thousand words or more, costs as much as one word
    if patterns := "|".join(f"(?:{regex})" for regex in table.get("regexes", ())):
        yield Allowed(table.get("regexTarget", "secret"), re2.compile(patterns.encode(), options=_PATTERNS))
    if words := "|".join(re2.escape(word) for word in table.get("stopwords", ())):
        yield Allowed("secret", re2.compile(f"(?i:{words})".encode(), options=_PATTERNS))
