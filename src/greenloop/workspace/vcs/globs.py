"""Rules in the syntax of ``.gitignore`` (gitignore(5)), matched without git: fast enough for every path of a tree.

A path is out when the last rule that matches it, or the nearest folder above that any rule decides, says so.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_CLASSES = {
    b"alpha": b"a-zA-Z", b"digit": b"0-9", b"alnum": b"a-zA-Z0-9", b"upper": b"A-Z", b"lower": b"a-z",
    b"space": rb"\s", b"blank": rb" \t", b"xdigit": b"0-9a-fA-F", b"punct": rb"!-/:-@\[-`{-~",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"print": rb"\x20-\x7e", b"graph": rb"\x21-\x7e",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Rule:
    text: str
    pattern: re.Pattern[bytes]
    folders_only: bool
    out: bool


class Globs:
    """Says which rule leaves a path out."""

    def __init__(self, rules: Sequence[str]) -> None:
        self._rules = tuple(rule for rule in map(_rule, rules) if rule is not None)
        self._folder = lru_cache(4096)(self._decide_folder)

    def __bool__(self) -> bool:
        """Say whether there is any rule."""
        return bool(self._rules)

    def match(self, path: bytes) -> str | None:
        """Return the rule that leaves out the file at ``path``, or ``None``."""
        folder = path.rpartition(b"/")[0]
        return (self._folder(folder) if folder else None) or self._decide(path, is_folder=False)

    def _decide_folder(self, folder: bytes) -> str | None:
        above = folder.rpartition(b"/")[0]
        # nothing brings back what lies in a folder that is out
        return (self._folder(above) if above else None) or self._decide(folder, is_folder=True)

    def _decide(self, path: bytes, *, is_folder: bool) -> str | None:
        for rule in reversed(self._rules):
            if (is_folder or not rule.folders_only) and rule.pattern.fullmatch(path):
                return rule.text if rule.out else None
        return None


def _rule(text: str) -> _Rule | None:
    pattern = _unpadded(text.encode())
    if not pattern or pattern.startswith(b"#"):
        return None
    out = not pattern.startswith(b"!")
    pattern = pattern if out else pattern[1:]
    folders_only = pattern.endswith(b"/")
    pattern = pattern.removesuffix(b"/")
    anchored = b"/" in pattern
    regex = _translate(pattern.removeprefix(b"/"))
    if regex is None:
        return None
    # a rule without a slash holds for names at any depth
    whole = regex if anchored else rb"(?:.*/)?" + regex
    return _Rule(text, re.compile(whole, re.DOTALL), folders_only, out)


def _unpadded(pattern: bytes) -> bytes:
    """Take the blanks at the end away, but for one that a backslash keeps."""
    while pattern.endswith(b" ") and not pattern.endswith(b"\\ "):
        pattern = pattern[:-1]
    return pattern


def _translate(pattern: bytes) -> bytes | None:
    """Return a regular expression; ``None`` for a pattern that matches nothing, as one that ends in a backslash."""
    out = b""
    rest = pattern
    begins = True
    while rest:
        stars = len(rest) - len(rest.lstrip(b"*"))
        following = rest[stars : stars + 1]
        # two stars mean folders where they stand alone between slashes
        alone, begins = begins and stars >= 2 and following in {b"", b"/"}, False
        if alone and following:
            out, rest, begins = out + b"(?:.*/)?", rest[stars + 1 :], True
        elif alone:
            out, rest = out + b".*", b""
        elif stars:
            out, rest = out + b"[^/]*", rest[stars:]
        elif rest.startswith(b"?"):
            out, rest = out + b"[^/]", rest[1:]
        elif rest.startswith(b"["):
            found = _class(rest)
            if found is None:
                return None
            out, rest = out + found[0], found[1]
        else:
            if rest.startswith(b"\\"):
                rest = rest[1:]
                if not rest:
                    return None
            begins = rest.startswith(b"/")
            out, rest = out + re.escape(rest[:1]), rest[1:]
    return out


def _class(rest: bytes) -> tuple[bytes, bytes] | None:
    """Return a bracket expression as a regular expression, and what follows it."""
    negated = rest[1:2] in {b"!", b"^"}
    at = 2 if negated else 1
    inner = b""
    first = True
    while at < len(rest) and (first or rest[at : at + 1] != b"]"):
        first = False
        named = re.match(rb"\[:([a-z]+):\]", rest[at:])
        if named is not None:
            if named[1] not in _CLASSES:
                return None
            inner += _CLASSES[named[1]]
            at += named.end()
            continue
        if rest[at : at + 1] == b"\\":
            at += 1
        low = rest[at : at + 1]
        at += 1
        if rest[at : at + 1] == b"-" and rest[at + 1 : at + 2] not in {b"", b"]"}:
            at += 1
            if rest[at : at + 1] == b"\\":
                at += 1
            high = rest[at : at + 1]
            at += 1
            inner += re.escape(low) + b"-" + re.escape(high) if low <= high else b""
        else:
            inner += re.escape(low)
    if at >= len(rest):
        return None
    if not inner:
        return (b"[^/]" if negated else b"(?!)"), rest[at + 1 :]
    # a bracket never stands for a slash
    return b"(?!/)[" + (b"^" if negated else b"") + inner + b"]", rest[at + 1 :]
