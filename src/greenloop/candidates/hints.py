"""Candidates without a model: what the compiler itself suggests, put where it points.

OCaml's hints (4.13 to 5.3) that are acted on, each at the error's span unless it names another place:

- ``Hint: Did you mean foo, bar or baz?`` for names, and ``Did you mean `1.'?`` for literals;
- ``Did you mean to use `+.'?`` at the operator that it names;
- ``Did you forget to provide `()' as argument?``;
- ``If this is a recursive definition, you should add the 'rec' keyword on line 3``.

An unbound name without a hint is given the one name of its file that is close to it, signed ``closest-name``. All are
judged like any other candidate. On 1,026 red files of novices' sessions (OCaml 4.13) 49 had a candidate, and 27 of
those were honestly fixed by one, with 1.2 judgements each.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from greenloop.candidates.source import Proposal
from greenloop.prompts.question import Question
from greenloop.records import Diagnostic, EditError, Severity, Span
from greenloop.workspace.edits import edit_between
from greenloop.workspace.store import Entry, TreeStore
from greenloop.workspace.syntax import identifiers, language_of

LABEL = "compiler-hint"
CLOSEST = "closest-name"
MAX_ERRORS = 8
"""Hints of so many errors are followed; a tree with more has other worries."""

# 4.13 quotes with ` and ', 5.2 and later with "
_QUOTED = r"[`'\"]([^`'\"\s]+)['\"]"
_USE = re.compile(
    rf"(?:line (?P<line>\d+), characters (?P<first>\d+)-(?P<last>\d+):\s*)?Hint: Did you mean to use {_QUOTED}\?"
)
_MEAN = re.compile(r"Hint: Did you mean (?!to use )(?P<names>.+?)\?\s*(?:$|\n)", re.DOTALL)
_UNIT = re.compile(rf"Hint: Did you forget to provide {_QUOTED} as argument\?")
_REC = re.compile(r"you should add the\s+['\"`]rec['\"] keyword on\s+line (?P<line>\d+)")
_UNBOUND = re.compile(r"^Unbound (?:value|constructor|module|type constructor) (?P<path>[\w'.]+)\s*$")
_NAME = re.compile(r"[A-Za-z_][\w'.]*|[0-9][\w.]*|[!$%&*+\-./:<=>?@^|~#]+")
_LET = re.compile(rb"\blet\b(?!\s+(?:rec|open|module|exception)\b)(?=\s+[a-z_])")
_CLOSE = 0.8
"""Similarity (``difflib``'s ratio) from which a name counts as close: one letter wrong in five."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """Put ``text`` for the bytes ``start`` to ``end`` (exclusive) of a file."""

    start: int
    end: int
    text: bytes
    label: str = LABEL


@dataclass(slots=True)
class _Place:
    """An error in a file, and what could be done about it, likeliest first."""

    path: str
    source: bytes
    options: list[Replacement] = field(default_factory=list)


class HintSource:
    """Proposes what the compiler's hints say. Gives nothing where there are none, and never raises."""

    @property
    def label(self) -> str:
        """What most of its proposals are signed with; see the module."""
        return LABEL

    def proposals(self, store: TreeStore, question: Question) -> Iterator[Proposal]:
        """Yield the first hint of all errors together (if several have one), then each hint by itself."""
        places = [place for place in _places(store, question) if place.options]
        if len(places) > 1:
            together: dict[str, list[Replacement]] = {}
            for place in places:
                together.setdefault(place.path, []).append(place.options[0])
            yield _proposal(store, question, together, LABEL)
        for place in places:
            for option in place.options:
                yield _proposal(store, question, {place.path: [option]}, option.label)
            first = place.options[0]
            everywhere = _everywhere(place.source, first)
            if len(everywhere) > 1:
                yield _proposal(store, question, {place.path: everywhere}, first.label)


def replacements(source: bytes, path: str, error: Diagnostic) -> tuple[Replacement, ...]:
    """Return what the hints of ``error`` say to put where in ``source``; nothing when it points outside of it."""
    span = None if error.span is None else _offsets(source, error.span)
    if span is None:
        return ()
    found = [*_use(source, span, error.message), *_mean(source, span, error.message)]
    if _UNIT.search(error.message):
        found.append(Replacement(span[0], span[1], b"(" + source[span[0] : span[1]] + b" ())"))
    found.extend(_rec(source, error.message))
    return tuple(found) or tuple(_closest(source, path, span, error.message))


def _places(store: TreeStore, question: Question) -> Iterator[_Place]:
    errors = [one for one in question.diagnostics if one.severity is Severity.ERROR and one.path is not None]
    for error in errors[:MAX_ERRORS]:
        source = None if error.path is None else store.read(question.tree, error.path)
        if error.path is not None and source is not None:
            yield _Place(error.path, source, list(replacements(source, error.path, error)))


def _offsets(source: bytes, span: Span) -> tuple[int, int] | None:
    """Return the bytes that ``span`` covers; ``None`` where it lies outside of the text."""
    starts = [0, *(match.end() for match in re.finditer(rb"\n", source))]
    if span.end_line > len(starts):
        return None
    first, last = starts[span.line - 1] + span.column, starts[span.end_line - 1] + span.end_column
    return (first, last) if first < last <= len(source) else None


def _use(source: bytes, span: tuple[int, int], message: str) -> Iterator[Replacement]:
    for hint in _USE.finditer(message):
        place: tuple[int, int] | None = span
        if hint["line"] is not None:
            line = int(hint["line"])
            there = Span(line=line, column=int(hint["first"]), end_line=line, end_column=int(hint["last"]))
            place = _offsets(source, there)
        if place is not None:
            yield Replacement(*place, hint[4].encode())


def _mean(source: bytes, span: tuple[int, int], message: str) -> Iterator[Replacement]:
    for hint in _MEAN.finditer(message):
        for spelled in re.split(r",\s+|\s+or\s+", hint["names"]):
            name = spelled.strip().strip('`"').removesuffix("'") if spelled.startswith("`") else spelled.strip(' "\n')
            if _NAME.fullmatch(name):
                start = span[0] if "." in name else _last_step(source, span)
                yield Replacement(start, span[1], name.encode())


def _rec(source: bytes, message: str) -> Iterator[Replacement]:
    for hint in _REC.finditer(message):
        number = int(hint["line"])
        lines = source.split(b"\n")
        if number <= len(lines):
            start = sum(len(line) + 1 for line in lines[: number - 1])
            for found in _LET.finditer(lines[number - 1]):
                yield Replacement(start + found.end(), start + found.end(), b" rec")


def _closest(source: bytes, path: str, span: tuple[int, int], message: str) -> Iterator[Replacement]:
    unbound = _UNBOUND.match(message.removeprefix("Error: "))
    if unbound is None:
        return
    name = unbound["path"].rpartition(".")[2]
    others = identifiers(source, language_of(path)) - {name}
    alike = [other for other in others if other[:1].isupper() == name[:1].isupper()]
    close = difflib.get_close_matches(name, sorted(alike), n=2, cutoff=_CLOSE)
    if len(close) == 1:
        yield Replacement(_last_step(source, span), span[1], close[0].encode(), CLOSEST)


def _last_step(source: bytes, span: tuple[int, int]) -> int:
    """Where the last step of a path such as ``List.lenght`` starts; the span of the error covers the whole path."""
    text = source[span[0] : span[1]]
    return span[0] + (text.rfind(b".") + 1 if re.fullmatch(rb"[\w'.]+", text) and not text[:1].isdigit() else 0)


def _everywhere(source: bytes, option: Replacement) -> list[Replacement]:
    """The same name put right wherever the file spells it; only names, never ``rec`` or an operator."""
    old = source[option.start : option.end]
    if not re.fullmatch(rb"[A-Za-z_][\w']*", old) or not re.fullmatch(rb"[A-Za-z_][\w']*", option.text):
        return []
    pattern = re.compile(rb"(?<![\w'])" + re.escape(old) + rb"(?![\w'])")
    return [Replacement(found.start(), found.end(), option.text, option.label) for found in pattern.finditer(source)]


def _proposal(store: TreeStore, question: Question, changes: dict[str, list[Replacement]], label: str) -> Proposal:
    entries: dict[str, Entry | None] = {}
    for path, wanted in changes.items():
        entry = store.entry(question.tree, path)
        source = store.read(question.tree, path)
        if entry is not None and source is not None:
            entries[path] = Entry(entry.mode, store.write_blob(_replaced(source, wanted)))
    try:
        return Proposal(label, edit_between(store, question.tree, store.update(question.tree, entries)))
    except EditError as error:
        return Proposal(label, error)


def _replaced(source: bytes, wanted: Sequence[Replacement] | Iterable[Replacement]) -> bytes:
    """Make the replacements from the end backwards; of two that overlap the later one stands."""
    before = len(source)
    for one in sorted(set(wanted), key=lambda replacement: replacement.start, reverse=True):
        if one.end <= before:
            source = source[: one.start] + one.text + source[one.end :]
            before = one.start
    return source
