"""What all the parsers share: decoding, clipping, and naming a path of the tree."""

import re
from collections.abc import Iterable

from greenloop.records import Diagnostic

PARSER_VERSION = 4
"""Raised with any change of a parser that can change a verdict."""

MAX_MESSAGE = 4000
"""Characters of a message that are kept; hostile input makes compilers print megabytes."""

MAX_DIAGNOSTICS = 200
"""Diagnostics that one verdict keeps."""

MAX_TESTS = 50_000
"""Test results that one verdict keeps, and ``MAX_NAME`` characters of each name."""
MAX_NAME = 1000

_MAX_DIGITS = 9

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CONTEXT = re.compile(r"^_build/(?!log$)[^/]+/")
_PLACELESS = frozenset({"", "_none_", "caml_startup", "(none)", "<none>"})


def decode(output: bytes) -> str:
    """Return printed text without colours; bytes that are no UTF-8 become U+FFFD."""
    text = output.decode("utf-8", "replace").replace("\r\n", "\n")
    return _ANSI.sub("", text) if "\x1b" in text else text


def number(digits: str) -> int:
    """Return the number of these digits, or a very large one: hostile output holds numbers of a megabyte."""
    return int(digits) if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS


def clip(message: str) -> str:
    """Return the message, cut at ``MAX_MESSAGE`` with a mark that says so."""
    message = message.strip("\n").rstrip()
    return message if len(message) <= MAX_MESSAGE else message[:MAX_MESSAGE] + " […]"


def clip_name(name: str) -> str:
    """Return the name of a test, without blanks around it, cut at ``MAX_NAME``."""
    return name.strip()[:MAX_NAME]


def normalise(path: str, root: str = "/w") -> str | None:
    """Return ``path`` relative to the tree, or ``None`` when it names no file.

    ``root`` is where the tree lay while it was built. A path elsewhere, such as a system library's, is kept.
    """
    if path in _PLACELESS:
        return None
    path = path.removeprefix(f"{root}/")
    while path.startswith("./"):
        path = path[2:]
    return _CONTEXT.sub("", path) or None


def distinct(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Drop repeated diagnostics, keep the order, and at most ``MAX_DIAGNOSTICS``."""
    return tuple(dict.fromkeys(diagnostics))[:MAX_DIAGNOSTICS]
