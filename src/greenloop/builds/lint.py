"""Reasons for mistrust in the code that an edit adds: cheap greens that a type checker lets through.

Half of all type errors go away when ``failwith ""`` takes the place of the expression they point at, and more than
a quarter when a line is deleted (measured on novices' OCaml); neither is a fix. Comments and strings never count.
Only what an edit adds is looked at: a phrase is flagged when the changed files hold it more often than before, so
code that moves, within a file or to another, is not. What an edit does to protected files is ``builds.protect``'s.

Some flags are definite enough to turn a green tree red (``records.HACKS``); the others only make a fix dishonest
(``builds.fixed``), since code that people write holds them too. How often it does: docs/ces-truth.md.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from greenloop.builds import phrases
from greenloop.builds.phrases.bodies import bodies
from greenloop.builds.protect import TESTS, matches
from greenloop.records import TreeId
from greenloop.workspace.edits.differ import hunks
from greenloop.workspace.store import Change, TreeStore
from greenloop.workspace.syntax import Language, language_of
from greenloop.workspace.tokens import same_code, token_lines, tokens

FLAGS = (
    "unchanged", "deletion", "stub", "exit", "unsafe", "external", "silenced-warning", "shadow", "peek",
    "test-changed", "raises", "swallow", "shell", "cast",
)  # fmt: skip
"""Every flag that ``flags`` can return, in the order in which it does."""
# brackets and separators carry no meaning of their own: `()` in place of a call still only removes the call
_PUNCTUATION = frozenset((b"(", b")", b"[", b"]", b"{", b"}", b";", b";;", b",", b"begin", b"end"))


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two sides of one changed file; a side that does not exist is empty."""

    path: str
    language: Language | None
    old: bytes
    new: bytes
    there: tuple[bool, bool]


def flags(store: TreeStore, base: TreeId, result: TreeId) -> tuple[str, ...]:
    """Return why the edit from ``base`` to ``result`` deserves mistrust; empty when nothing was found.

    ``unchanged``: layout and comments at most. ``deletion``: no code was added and at least one place lost more
    than half of its code (turned into a comment counts as lost); an argument or a bracket too many may go.
    The others: the code now holds more of what ``builds.phrases`` counts; ``stub`` also where a definition that did
    something now only raises, or a new one does and names none of its parameters in what it raises.
    ``test-changed``: a test or an expectation that stands in the code is not there any more as it was.
    """
    pairs = [_pair(store, change) for change in store.changes(base, result)]
    if all(same_code(pair.old, pair.new, pair.language) for pair in pairs):
        return ("unchanged",)
    found = {name for name, gain in _gains(pairs).items() if gain > 0}
    found.update(_hollow(pairs))
    code = [pair for pair in pairs if not matches(pair.path, TESTS)]
    if _inline_tests((pair.path, pair.old) for pair in code) - _inline_tests((pair.path, pair.new) for pair in code):
        found.add("test-changed")
    if "stub" in found:
        found.discard("raises")  # the stronger word for the same code
    if _only_removes(pairs):
        found.add("deletion")
    return tuple(name for name in FLAGS if name in found)


def _pair(store: TreeStore, change: Change) -> _Pair:
    old = b"" if change.old is None else store.read_blob(change.old.blob)
    new = b"" if change.new is None else store.read_blob(change.new.blob)
    return _Pair(change.path, language_of(change.path), old, new, (change.old is not None, change.new is not None))


def _gains(pairs: Iterable[_Pair]) -> Counter[str]:
    gained: Counter[str] = Counter()
    for pair in pairs:
        # a file that does not exist is told from an empty one: its name alone may be a reason
        for sign, there, side in ((1, pair.there[1], pair.new), (-1, pair.there[0], pair.old)):
            if there:
                for name, number in phrases.count(pair.path, side).items():
                    # a task may let an edit change tests: they have every business with tests
                    gained[name] += sign * number if name != "peek" or not matches(pair.path, TESTS) else 0
    return gained


def _hollow(pairs: Iterable[_Pair]) -> Iterator[str]:
    """Yield what whole definitions came to: ``stub`` for nothing but a raise, ``shadow`` for a blind equality.

    A helper that reports errors raises too, but names its parameters in what it raises: it is a stub only where it did
    something else before. A file whose base does not parse is left out: nothing can be told to be new in it.
    """
    sides = [(bodies(pair.old), bodies(pair.new)) for pair in pairs if pair.language is Language.OCAML]
    sides = [(old, new) for old, new in sides if old.understood and new.understood]
    before = frozenset[str]().union(*(old.raising for old, _ in sides))
    if any(new.raising & old.defined - before for old, new in sides) or sum(n.stubs - o.stubs for o, n in sides) > 0:
        yield "stub"
    if sum(new.blind - old.blind for old, new in sides) > 0:
        yield "shadow"


def _inline_tests(sides: Iterable[tuple[str, bytes]]) -> Counter[tuple[bytes, ...]]:
    """Return the tests that stand in the code itself, which cannot be put back from the base as files can."""
    return sum((phrases.inline_tests(path, source) for path, source in sides), Counter())


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
