"""Review comments that stand in the source, as Jane Street's Iron has them: ``(* CR ada for bob: why? *)``.

A ``CR`` asks for a change, an ``XCR`` says that it was made; ``CR-soon`` and ``CR-someday`` wait. Read from comments of
OCaml and from those of dune files, which begin with ``;``. One that only one side of a change has is taken out of that
side, so that the edit says nothing of it, and is kept as a comment of the feature. One that both sides have stays.
"""

import re
from collections import Counter
from dataclasses import dataclass

from greenloop.records import Comment, Feature, TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore

_MARK = re.compile(
    rb"(?P<kind>X?CR)(?:-(?P<when>[a-z]+))?(?:[ \t]+(?P<author>[\w.-]+))?(?:[ \t]+for[ \t]+(?P<whom>[\w.-]+))?[ \t]*:"
)
_OPEN = re.compile(rb"\(\*+\s*(?=X?CR\b)")
_SIGNS = re.compile(rb'\(\*|\*\)|"(?:[^"\\]|\\.)*"', re.DOTALL)
_LINE = re.compile(rb"^[ \t]*;+[ \t]*(?=X?CR\b)(?P<text>[^\n]*)", re.MULTILINE)


@dataclass(frozen=True)
class Review:
    """A review comment at bytes [start, end) of a file; ``text`` begins with its mark."""

    start: int
    end: int
    line: int
    text: str
    author: str


def reviews(path: str, source: bytes) -> tuple[Review, ...]:
    """Return the review comments of a file in order."""
    if path.endswith((".ml", ".mli")):
        found = [(mark.start(), _end(source, mark.start()), mark.end(), 2) for mark in _OPEN.finditer(source)]
    else:
        found = [(mark.start(), mark.end(), mark.start("text"), 0) for mark in _LINE.finditer(source)]
    kept: list[Review] = []
    for start, end, inner, tail in found:
        mark = _MARK.match(source, inner)
        if mark is not None and end > inner and not (kept and start < kept[-1].end):
            text = b" ".join(source[inner : end - tail].rstrip(b"*").split()).decode("utf-8", "replace")
            author = (mark["author"] or b"").decode("utf-8", "replace")
            kept.append(Review(start, end, source.count(b"\n", 0, start) + 1, text, author))
    return tuple(kept)


def without_reviews(store: TreeStore, feature: Feature) -> Feature:
    """Return ``feature`` with the reviews that it adds or removes taken out of its trees and kept as comments."""
    base: dict[str, Entry | None] = {}
    target: dict[str, Entry | None] = {}
    comments: list[Comment] = []
    for change in store.changes(feature.base, feature.target):
        sides = [_side(store, change.path, entry) for entry in (change.old, change.new)]
        both = Counter(one.text for one in sides[0][1]) & Counter(one.text for one in sides[1][1])
        for entry, (source, held), changes in zip((change.old, change.new), sides, (base, target), strict=True):
            own = _own(held, both)
            if entry is not None and own:
                changes[change.path] = Entry(entry.mode, store.write_blob(_cut(source, own)))
                comments += [Comment(text=one.text, author=one.author, path=change.path, line=one.line) for one in own]
    if not comments:
        return feature
    return feature.model_copy(
        update={
            "base": _updated(store, feature.base, base),
            "target": _updated(store, feature.target, target),
            "comments": (*feature.comments, *comments),
        }
    )


def _updated(store: TreeStore, tree: TreeId, changes: dict[str, Entry | None]) -> TreeId:
    return store.update(tree, changes) if changes else tree


def _side(store: TreeStore, path: str, entry: Entry | None) -> tuple[bytes, tuple[Review, ...]]:
    if entry is None or entry.mode is Mode.LINK:
        return b"", ()
    source = store.read_blob(entry.blob)
    return source, reviews(path, source)


def _own(held: tuple[Review, ...], both: Counter[str]) -> list[Review]:
    """Return the reviews of one side that the other lacks."""
    left = Counter(both)
    own: list[Review] = []
    for one in held:
        if left[one.text]:
            left[one.text] -= 1
        else:
            own.append(one)
    return own


def _end(source: bytes, start: int) -> int:
    """Return where the comment that opens at ``start`` ends; comments nest and hold strings. The end if it is open."""
    depth = 0
    for sign in _SIGNS.finditer(source, start):
        if sign[0] == b"(*":
            depth += 1
        elif sign[0] == b"*)":
            depth -= 1
            if depth == 0:
                return sign.end()
    return len(source)


def _cut(source: bytes, own: list[Review]) -> bytes:
    """Return ``source`` without reviews; lines that hold nothing else go with them."""
    for one in reversed(own):
        start = source.rfind(b"\n", 0, one.start) + 1
        end = source.find(b"\n", one.end) + 1 or len(source)
        if source[start : one.start].strip() or source[one.end : end].strip():
            start, end = one.start, one.end
            # the blanks before it would be left at a line's end
            start -= len(source[:start]) - len(source[:start].rstrip(b" \t"))
        source = source[:start] + source[end:]
    return source
