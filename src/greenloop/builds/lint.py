"""Reasons for mistrust in the code that an edit adds: cheap greens that a type checker lets through.

Half of all type errors go away when ``failwith ""`` takes the place of the expression they point at, and more than
a quarter when a line is deleted (measured on novices' OCaml); neither is a fix. Comments and strings never count.
Only what an edit adds is looked at: a phrase is flagged when the changed files hold it more often than before, so
code that moves, within a file or to another, is not. What an edit does to protected files is ``builds.protect``'s.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greenloop.records import TreeId
from greenloop.workspace.edits.differ import hunks
from greenloop.workspace.store import Change, TreeStore
from greenloop.workspace.syntax import Language, language_of
from greenloop.workspace.tokens import same_code, token_lines, tokens

_Phrase = tuple[bytes, ...]

_OCAML: dict[str, tuple[_Phrase, ...]] = {
    # each of these has every type, so it silences any type error
    "stub": (
        (b"failwith",), (b"invalid_arg",), (b"raise",), (b"raise_notrace",), (b"assert", b"false"),
        (b"Obj", b"."), (b"Marshal", b".", b"from_string"), (b"Marshal", b".", b"from_channel"),
    ),
    # a process that leaves early with status 0 passes a test that it never ran
    "exit": ((b"exit",), (b"at_exit",), (b"_exit",), (b"do_at_exit",)),
    "external": ((b"external",),),
    "silenced-warning": tuple(
        (mark, *path) for mark in (b"[@", b"[@@", b"[@@@")
        for path in ((b"warning",), (b"ocaml", b".", b"warning"), (b"alert",), (b"ocaml", b".", b"alert"))
    ),
    # a handler or a match whose first case takes everything
    "swallow": ((b"with", b"_", b"->"), (b"with", b"|", b"_", b"->")),
}  # fmt: skip
_GENERIC: dict[str, tuple[_Phrase, ...]] = {
    "stub": (
        (b"NotImplementedError",), (b"NotImplementedException",), (b"todo", b"!"), (b"unimplemented", b"!"),
        (b"unreachable", b"!"), (b"panic", b"!"),
    ),
    "exit": ((b"sys", b".", b"exit"), (b"os", b".", b"_exit"), (b"process", b".", b"exit"), (b"System", b".", b"exit")),
    "silenced-warning": (
        (b"type", b":", b"ignore"), (b"noqa",), (b"nolint",), (b"ts", b"-", b"ignore"), (b"eslint", b"-", b"disable"),
        (b"SuppressWarnings",),
    ),
}  # fmt: skip
_ORDER = ("unchanged", "deletion", "stub", "exit", "external", "silenced-warning", "swallow")
# brackets and separators carry no meaning of their own: `()` in place of a call still only removes the call
_PUNCTUATION = frozenset((b"(", b")", b"[", b"]", b"{", b"}", b";", b";;", b",", b"begin", b"end"))


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two sides of one changed file; a side that does not exist is empty."""

    language: Language | None
    old: bytes
    new: bytes


def flags(store: TreeStore, base: TreeId, result: TreeId) -> tuple[str, ...]:
    """Return why the edit from ``base`` to ``result`` deserves mistrust; empty when nothing was found.

    ``unchanged``: layout and comments at most. ``deletion``: no code was added and at least one place lost more
    than half of its code (turned into a comment counts as lost); an argument or a bracket too many may go.
    ``stub``, ``exit``, ``external``, ``silenced-warning``, ``swallow``: the code now holds more of these.
    """
    pairs = [_pair(store, change) for change in store.changes(base, result)]
    if all(same_code(pair.old, pair.new, pair.language) for pair in pairs):
        return ("unchanged",)
    found = {name for name, gain in _gains(pairs).items() if gain > 0}
    if _only_removes(pairs):
        found.add("deletion")
    return tuple(name for name in _ORDER if name in found)


def _pair(store: TreeStore, change: Change) -> _Pair:
    old = b"" if change.old is None else store.read_blob(change.old.blob)
    new = b"" if change.new is None else store.read_blob(change.new.blob)
    return _Pair(language_of(change.path), old, new)


def _gains(pairs: Iterable[_Pair]) -> Counter[str]:
    gained: Counter[str] = Counter()
    for pair in pairs:
        phrases = _GENERIC if pair.language is None else _OCAML
        for sign, side in ((1, pair.new), (-1, pair.old)):
            code = tokens(side, pair.language)
            for name, spellings in phrases.items():
                gained[name] += sign * sum(_occurrences(code, phrase) for phrase in spellings)
    return gained


def _occurrences(code: Sequence[bytes], phrase: _Phrase) -> int:
    first, length = phrase[0], len(phrase)
    return sum(1 for place, token in enumerate(code) if token == first and code[place : place + length] == phrase)


def _only_removes(pairs: Sequence[_Pair]) -> bool:
    before: Counter[bytes] = Counter()
    after: Counter[bytes] = Counter()
    for pair in pairs:
        before.update(_meaning(pair.old, pair.language))
        after.update(_meaning(pair.new, pair.language))
    lost = before - after
    if after - before or not lost:
        return False
    return any(_guts(pair, lost) for pair in pairs)


def _guts(pair: _Pair, lost: Counter[bytes]) -> bool:
    """Whether some hunk of this file loses more than half of its code, and two tokens at the least."""
    old, new = _code_lines(pair.old, pair.language), _code_lines(pair.new, pair.language)
    for hunk in hunks(list(map(_spelled, old)), list(map(_spelled, new))):
        held = Counter(token for line in old[hunk.start : hunk.end] for token in line)
        # what shows up elsewhere was moved, not lost
        gone = (held - Counter(token for line in new[hunk.new_start : hunk.new_end] for token in line)) & lost
        if gone.total() >= 2 and 2 * gone.total() > held.total():
            return True
    return False


def _spelled(line: tuple[bytes, ...]) -> str:
    return b" ".join(line).decode("latin-1")


def _meaning(source: bytes, language: Language | None) -> list[bytes]:
    return [token for token in tokens(source, language) if token not in _PUNCTUATION]


def _code_lines(source: bytes, language: Language | None) -> list[tuple[bytes, ...]]:
    """The meaningful tokens line by line, lines without any left out: layout is no change here."""
    lines = (
        tuple(token for token in line if token not in _PUNCTUATION) for line in token_lines(source, language).values()
    )
    return [line for line in lines if line]
