"""The change in full words, by rules: the error's class, the files, the definitions, the names added or removed.

Unlike a prompt it may name what only the new code has. Models of the size that runs everywhere write fluent, wrong
descriptions, so none is asked here; what a configured one writes is checked (``prompting.rephrase``).
"""

from collections.abc import Iterable, Sequence

from greenloop.mining.changed import ChangedFile
from greenloop.records import Category, Diagnostic
from greenloop.workspace.edits.differ import Hunk
from greenloop.workspace.edits.paths import quote_c
from greenloop.workspace.syntax import Item

CLASSES = {
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
    where = f" in {quote_c(error.path)}" if error.path else ""
    message = " ".join(error.message.split())
    said = f": {message.rstrip('.')}" if message else ""
    return " ".join([f"Fix {CLASSES[error.category]}{where}{said}.", *map(_of_file, files)])


def describe_files(files: Sequence[ChangedFile]) -> str:
    """Return sentences that say what the edit of ``files`` does, where nothing was wrong before."""
    return " ".join(map(_of_file, files))


def _of_file(file: ChangedFile) -> str:
    path = quote_c(file.path)
    if file.old is None:
        return f"Add {path}{_listed(' with', _names(file.new_items))}."
    if file.new is None:
        return f"Delete {path}{_listed(' with', _names(file.old_items))}."
    removed = sum(hunk.end - hunk.start for hunk in file.hunks)
    added = sum(hunk.new_end - hunk.new_start for hunk in file.hunks)
    touched = _touched(file.hunks, file.old_items)
    # a broken text's top level is a guess: what the other side still spells was neither added nor removed. Without a
    # new word there is no new name, and parsing the new side is what costs most here
    gained = _unspelled(_names(file.new_items), file.old_words) if file.new_words - file.old_words else ()
    lost = _unspelled(_names(file.old_items), file.new_words)
    place = f"{_listed('', touched)} in {path}" if touched else f" {path}"
    text = f"Change{place} ({_count(removed)} replaced by {_count(added)})"
    return text + _listed(", adding", gained) + _listed(", removing", lost) + "."


def _touched(found: Iterable[Hunk], held: Sequence[Item]) -> frozenset[str]:
    """The old definitions that the hunks lie in."""
    names: set[str] = set()
    for hunk in found:
        last = max(hunk.end, hunk.start + 1)
        names |= {item.name for item in held if item.name and item.first_line <= last and hunk.start < item.last_line}
    return frozenset(names)


def _names(items: Iterable[Item]) -> frozenset[str]:
    return frozenset(name for item in items for name in item.names)


def _unspelled(names: Iterable[str], words: frozenset[bytes]) -> tuple[str, ...]:
    return tuple(name for name in names if name.encode("utf-8", "replace") not in words)


def _listed(lead: str, names: Iterable[str]) -> str:
    ordered = sorted(names)
    if not ordered:
        return ""
    more = f" and {len(ordered) - _MOST_NAMES} more" if len(ordered) > _MOST_NAMES else ""
    return f"{lead} {', '.join(ordered[:_MOST_NAMES])}{more}"


def _count(lines: int) -> str:
    return "1 line" if lines == 1 else f"{lines} lines"
