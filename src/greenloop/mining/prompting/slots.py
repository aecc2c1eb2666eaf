"""What a wording may name: only what the old code, its paths, the diagnostics, or the title of a change hold."""

import re
from collections.abc import Iterable, Sequence

from greenloop.mining.changed import ChangedFile
from greenloop.mining.describe import CLASSES
from greenloop.mining.prompting.form import FUNCTION_WORDS, ORDERS
from greenloop.records import Category, Diagnostic, Severity
from greenloop.workspace.syntax import Item

_UNBOUND = re.compile(r"Unbound [a-z ]*?([A-Za-z_][\w'.]*)\s*(?:$|\n)")
_NAME = re.compile(r"[A-Za-z_][\w']*")
_TEST = re.compile(r"test failed: (?:.*/)?([^/\n]+)")
_NUMBER = re.compile(r"(?<![A-Za-z_])\d")
_SENTENCE_END = re.compile(r"\n(?=[A-Z])")
_HINT = re.compile(r"\s*Hint:.*", re.DOTALL)
_MOST_CHARS = 200
"""Nobody types a longer name, path or title."""
_MOST_MESSAGE_WORDS = 28
"""A longer message leaves no room for the order around it; nobody types it off."""


def of_error(category: Category, diagnostics: Sequence[Diagnostic], files: Sequence[ChangedFile]) -> dict[str, str]:
    """Return the names for a red tree: the class, place, definition and message of the first error."""
    names = {"kind": CLASSES[category].partition(" ")[2]}
    error = next((one for one in diagnostics if one.severity is Severity.ERROR), None)
    if error is None:
        return names
    test = _TEST.match(error.message) if category is Category.TEST else None
    if test is not None and not _NUMBER.search(test[1]):
        names["test"] = test[1].strip()
    if error.path is None:
        return names
    names |= {"file": error.path.rpartition("/")[2], "path": error.path}
    message = _message(error)
    if message and message.lower() != names["kind"]:
        names["message"] = message
        names["brief"] = " ".join(word for word in message.split() if word.lower() not in FUNCTION_WORDS)
    missing = _UNBOUND.search(error.message)
    if category is Category.UNBOUND and missing is not None:
        names["unbound"] = missing[1]
    name = _definition(error, files)
    return _sayable(names if name is None else names | {"name": name})


def of_change(title: str, files: Sequence[ChangedFile]) -> dict[str, str]:
    """Return the names for a change of a green tree: its title, and what it touches of the old code."""
    first = next((file for file in files if file.old is not None), files[0])
    touched = list(dict.fromkeys(name for file in files for name in _touched(file)))
    kept = {name for file in files for item in file.new_items for name in item.names}
    gone = [name for file in files for item in file.old_items for name in item.names if name not in kept]
    folder, _, _name = files[0].path.rpartition("/")
    names = {
        "order": _as_order(title.strip().rstrip(".")),
        "file": first.path.rpartition("/")[2] if first.old is not None else "",
        "folder": folder.rpartition("/")[2],
        "name": touched[0] if touched else "",
        "other": touched[1] if len(touched) > 1 else "",
        "gone": gone[0] if gone else "",
    }
    return _sayable(names)


def _sayable(names: dict[str, str]) -> dict[str, str]:
    """What somebody could type: paths and titles may hold line ends and whatever else commands a terminal."""
    return {key: value for key, value in names.items() if value and value.isprintable() and len(value) <= _MOST_CHARS}


def _message(error: Diagnostic) -> str:
    """The first sentence of the message, in one line and without hints; nothing where it is long or counts lines."""
    first = _SENTENCE_END.split(_HINT.sub("", error.message.strip()))[0]
    text = " ".join(first.split()).removeprefix("Error: ").rstrip(".")
    fits = len(text.split()) <= _MOST_MESSAGE_WORDS and not _NUMBER.search(text)
    return text if fits and text.isprintable() else ""


def _definition(error: Diagnostic, files: Sequence[ChangedFile]) -> str | None:
    held = next((file.old_items for file in files if file.path == error.path), ())
    found = None
    for item in held:
        # the last one wins, as in syntax.enclosing
        if error.span is not None and item.first_line <= error.span.line <= item.last_line:
            found = item.name
    return found if found is not None and _NAME.fullmatch(found) else None


def _as_order(title: str) -> str:
    """Titles begin with a capital, orders do not: "Add a shape" → "add a shape"; a name keeps its letters."""
    head, blank, rest = title.partition(" ")
    return f"{head.lower()}{blank}{rest}" if head.lower() in ORDERS else title


def _touched(file: ChangedFile) -> Iterable[str]:
    """Yield the old definitions that change and stay."""
    if file.old is None or file.new is None:
        return
    kept = {name for item in file.new_items for name in item.names}
    for item in file.old_items:
        if item.name in kept and _overlaps(item, file):
            yield item.name


def _overlaps(item: Item, file: ChangedFile) -> bool:
    return any(hunk.start < item.last_line and item.first_line <= hunk.end for hunk in file.hunks)
