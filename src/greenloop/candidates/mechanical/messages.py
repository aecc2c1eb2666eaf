"""What class of error a compiler's message tells of; edits are weighed by it."""

import re

from greenloop.records import Category, Diagnostic

_MISMATCH = re.compile(
    r"has type\s+(?P<actual>.+?)\s+but (?:an expression was expected of type|a pattern was expected which matches "
    r"values of type|is here used with type)\s+(?P<expected>.+?)"
    r"(?=\s+(?:The type|Hint|because|Type|This|Line|File)\b|$)",
    re.DOTALL,
)
_CLASSES = (
    ("too many arguments", "arguments"),
    ("not a function", "not-a-function"),
    ("type variable", "occurs"),
    ("Unbound value", "value"),
    ("Unbound constructor", "constructor"),
    ("Unbound module", "module"),
    ("Unbound record field", "field"),
    ("Unbound type", "type"),
    ("operator expected", "operator"),
    ("might be unmatched", "unmatched"),
    ("expected.", "expected"),
    ("pattern", "pattern"),
    ("constructor", "constructor"),
    ("Illegal character", "character"),
)


def message_class(error: Diagnostic) -> str:
    """Return the class of ``error``: what two types are that do not go together, else a word for the message."""
    message = " ".join(error.message.split())
    found = _MISMATCH.search(message)
    if found is not None and error.category is Category.TYPE:
        actual, expected = head_of(found["actual"]), head_of(found["expected"])
        inner = _inner(found["actual"], found["expected"])
        return f"{actual} for {expected}{inner}"
    return next((word for text, word in _CLASSES if text in message), "other")


def head_of(written: str) -> str:
    """Return what a type is at its outside: ``fun``, ``tuple``, ``list``, ``variable``, the name of a plain one."""
    bare, depth = [], 0
    for letter in written:
        depth += letter == "("
        if depth == 0:
            bare.append(letter)
        depth -= letter == ")"
    text = "".join(bare).strip()
    if "->" in text:
        return "fun"
    if "*" in text:
        return "tuple"
    word = text.split()[-1] if text.split() else "other"
    if word.startswith("'"):
        return "variable"
    return word if word in {"int", "float", "string", "char", "bool", "unit", "list", "option"} else "other"


def _inner(actual: str, expected: str) -> str:
    """Say so when one type is a list of the other, or a function that gives it."""
    if actual.strip("() ") == expected.removesuffix("list").strip("() "):
        return " of it" if expected.endswith("list") else ""
    if expected.strip("() ") == actual.removesuffix("list").strip("() "):
        return " of them" if actual.endswith("list") else ""
    return " that gives it" if actual.endswith("-> " + expected) else ""
