"""The change in full words, by rules: the error's class, the files, the definitions, the names added or removed.

Unlike a prompt it may name what only the new code has. Models of the size that runs everywhere write fluent, wrong
descriptions, so none is asked.
"""

from collections.abc import Iterable, Sequence

from greenloop.mining.changed import ChangedFile
from greenloop.records import Category, Diagnostic
from greenloop.workspace.edits.differ import Hunk, hunks
from greenloop.workspace.edits.text import split_lines
from greenloop.workspace.syntax import Item, identifiers, items

_CLASSES = {
    Category.SYNTAX: "a syntax error",
    Category.TYPE: "a type error",
    Category.UNBOUND: "an unbound name",
    Category.DEPENDENCY: "a dependency error",
    Category.WARNING: "a warning",
    Category.TEST: "a failing test",
    Category.OTHER: "an error",
}
_MOST_NAMES = 6


def describe(error: Diagnostic, files: Sequence[ChangedFile]) -> str:
    """Return sentences that say what was wrong and what the edit of ``files`` does."""
    where = f" in {error.path}" if error.path else ""
    message = " ".join(error.message.split())
    said = f": {message.rstrip('.')}" if message else ""
    return " ".join([f"Fix {_CLASSES[error.category]}{where}{said}.", *map(_of_file, files)])


def _of_file(file: ChangedFile) -> str:
    if file.old is None:
        return f"Add {file.path}{_listed(' with', _names(file.new or b'', file))}."
    if file.new is None:
        return f"Delete {file.path}{_listed(' with', _names(file.old, file))}."
    old, new = _lines(file.old), _lines(file.new)
    found = hunks(old, new)
    removed = sum(hunk.end - hunk.start for hunk in found)
    added = sum(hunk.new_end - hunk.new_start for hunk in found)
    touched = _touched(found, items(file.old, file.language), items(file.new, file.language))
    # a broken text's top level is a guess: what the other side still spells was neither added nor removed
    gained = _names(file.new, file) - _names(file.old, file) - identifiers(file.old, file.language)
    lost = _names(file.old, file) - _names(file.new, file) - identifiers(file.new, file.language)
    place = f"{_listed('', touched - gained)} in {file.path}" if touched - gained else f" {file.path}"
    text = f"Change{place} ({_count(removed)} replaced by {_count(added)})"
    return text + _listed(", adding", gained) + _listed(", removing", lost) + "."


def _touched(found: Iterable[Hunk], old: Sequence[Item], new: Sequence[Item]) -> frozenset[str]:
    """The definitions that the hunks lie in, on either side."""
    names: set[str] = set()
    for hunk in found:
        for first, last, side in ((hunk.start, hunk.end, old), (hunk.new_start, hunk.new_end, new)):
            names |= {item.name for item in side if item.name and item.first_line <= last and first < item.last_line}
    return frozenset(names)


def _names(source: bytes, file: ChangedFile) -> frozenset[str]:
    return frozenset(name for item in items(source, file.language) for name in item.names)


def _listed(lead: str, names: Iterable[str]) -> str:
    ordered = sorted(names)
    if not ordered:
        return ""
    more = f" and {len(ordered) - _MOST_NAMES} more" if len(ordered) > _MOST_NAMES else ""
    return f"{lead} {', '.join(ordered[:_MOST_NAMES])}{more}"


def _count(lines: int) -> str:
    return "1 line" if lines == 1 else f"{lines} lines"


def _lines(source: bytes) -> list[str]:
    return split_lines(source.decode("utf-8", "replace"))
