"""OCaml: what silences a type error or a test without mending anything."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from greenloop.builds.phrases.bodies import RAISING
from greenloop.builds.phrases.matching import occurrences, peeks, phrases, says_nothing, table, tally
from greenloop.builds.phrases.modules import binding_patterns, plain, reached
from greenloop.workspace.syntax import Language, items
from greenloop.workspace.tokens import token_lines, tokens, unclear

_LEAVING = frozenset((b"exit", b"_exit"))
_INTEGER = re.compile(rb"0[xX][0-9a-fA-F][0-9a-fA-F_]*|0[oO][0-7][0-7_]*|0[bB][01][01_]*|[0-9][0-9_]*")
_HOOKS = frozenset(
    (b"at_exit", b"do_at_exit", b"set_uncaught_exception_handler", b"set_signal", b"execv", b"execve", b"execvp",
     b"execvpe", b"fork", b"dup2", b"setitimer", b"sigprocmask")
)  # fmt: skip
_TEST_LIBRARIES = frozenset(
    (b"Alcotest", b"Alcotest_engine", b"OUnit", b"OUnit2", b"OUnitAssert", b"QCheck", b"QCheck2", b"QCheck_alcotest",
     b"Stdlib", b"Pervasives", b"Crowbar", b"Windtrap", b"Testo")
)  # fmt: skip
_BASIC = frozenset((b"=", b"<>", b"==", b"!=", b"&&", b"||", b"raise", b"raise_notrace", b"exit", b"at_exit", b"not"))
"""What code and tests mean by these is the standard library's; who defines them anew may change what a test says."""
_INLINE = tuple(
    (mark, name)
    for mark in (b"%", b"[%", b"[%%")
    for name in (b"test", b"test_unit", b"test_module", b"expect_test", b"expect", b"expect_exact")
)
_QUOTED_TEST = re.compile(rb"\{%%?(?:test|expect)\w*[ \t\f|]")
_QUOTES = (b'"', b"{")

_TABLE = table({
    "stub": phrases("assert false", "assert ( false )"),
    "unsafe": phrases(
        "Obj .", "input_value", "Dynlink .", "CamlinternalOO .", "CamlinternalFormat .", '"%identity"',
    ),
    "external": phrases("external"),
    "silenced-warning": tuple(
        (*mark, *path)
        for mark in phrases("[@", "[@@", "[@@@")
        for path in phrases(
            "warning", "ocaml . warning", "warnerror", "ocaml . warnerror", "alert", "ocaml . alert",
        )
    ),
    "peek": tuple(
        (*how, library, *(() if how else (b".",)))
        for how in ((), (b"open",), (b"include",))
        for library in (b"Alcotest", b"OUnit", b"OUnit2", b"QCheck", b"QCheck2")
    ),
    # a handler or a match whose first case takes everything
    "swallow": phrases("with _ ->", "with | _ ->"),
    # a test of alcotest that is left by it counts as skipped
    "exit": phrases("Alcotest . skip", "Thread . exit"),
})  # fmt: skip


def count(path: str, source: bytes, language: Language) -> Counter[str]:
    """Return flag → reasons for it in one file.

    ``stub``: ``assert false``; a raise whose message is empty or a TODO. What whole definitions come to is for
    ``phrases.bodies`` to say.
    ``raises``: any other raise, and an exit with a literal status that is no multiple of 256.
    ``exit``: leaving the process with success, or taking hold of how it ends (hooks, signals, exec, fork).
    ``shell``: starting other programs.
    ``peek``: a text that names tests, expectations, build folders or ``/proc``; a use of a test library.
    ``unsafe``: ``Obj``, unmarshalling, loading code, ``%identity``, text that compilers read in different ways.
    ``shadow``: a test library or a basic operation of the standard library defined anew.
    """
    code = plain(tokens(source, language))
    found = tally(code, _TABLE)
    found.update(reached(code))
    found["unsafe"] += unclear(source)
    # wherever such a name comes from: a functor may have given it another module's
    found["exit"] += sum(1 for place, token in enumerate(code) if token in _HOOKS and not _defines(code, place))
    for flag in _leaves(code):
        found[flag] += 1
    for flag in _raises(code):
        found[flag] += 1
    found["shadow"] += _shadows(path, code)
    found["peek"] += sum(1 for token in code if token[:1] in _QUOTES and len(token) > 2 and peeks(token))
    return found


def inline_tests(source: bytes, language: Language) -> Counter[tuple[bytes, ...]]:
    """Return the top-level items that hold ``let%test`` and its like, or an expectation, as their tokens."""
    if b"%test" not in source and b"%expect" not in source and b"%%expect" not in source:
        return Counter()
    lines = token_lines(source, language)
    held = (
        tuple(token for line in range(item.first_line, item.last_line + 1) for token in lines.get(line, ()))
        for item in items(source, language)
    )
    return Counter(code for code in held if occurrences(code, _INLINE) or any(map(_QUOTED_TEST.match, code)))


def _raises(code: Sequence[bytes]) -> Iterator[str]:
    for place, token in enumerate(code):
        if token in RAISING and not _defines(code, place):
            yield "stub" if _idle(code, place) else "raises"


def _idle(code: Sequence[bytes], place: int) -> bool:
    """Whether the raise at ``place`` gives no reason: an empty text, a TODO, or an exception of such a name."""
    for token in code[place + 1 : place + 6]:
        if token in {b"(", b"@@", b"Failure", b"Invalid_argument", b"Stdlib", b".", b"begin"}:
            continue
        if token.startswith(b'"'):
            return says_nothing(token[1:-1])
        if token.startswith(b"{") and b"|" in token:
            return says_nothing(token.partition(b"|")[2].rpartition(b"|")[0])
        return token[:1].isupper() and says_nothing(token.replace(b"_", b" "))
    return False


def _leaves(code: Sequence[bytes]) -> Iterator[str]:
    """An exit that can only fail makes no test pass; it still has every type."""
    for place, token in enumerate(code):
        if token in _LEAVING and not _defines(code, place):
            status = _literal(code[place + 1 : place + 5])
            # the kernel keeps 8 bits of a status: 256 is success
            yield "exit" if status is None or status % 256 == 0 else "raises"


def _literal(code: Sequence[bytes]) -> int | None:
    """Return the integer literal that an argument is, in parentheses or not; ``None`` for anything else."""
    words = list(code)
    if words[:1] == [b"("]:
        if b")" not in words:
            return None
        words = words[1 : words.index(b")")]
    else:
        words = words[:1]
    negative = words[:1] in ([b"-"], [b"~-"])
    words = words[negative:]
    if len(words) != 1 or not _INTEGER.fullmatch(words[0]):
        return None
    digits = words[0].replace(b"_", b"").lower()
    # OCaml's 010 is ten
    number = int(digits, 0) if digits[1:2].isalpha() else int(digits)
    return -number if negative else number


def _shadows(path: str, code: Sequence[bytes]) -> int:
    file = PurePosixPath(path)
    number = int(file.stem.capitalize().encode() in _TEST_LIBRARIES)
    for place, token in enumerate(code):
        if token == b"module" and place + 1 < len(code):
            name = code[place + 1]
            # `module Alcotest = Alcotest` gives it no other meaning
            alias = code[place + 2 : place + 4] == (b"=", name) and code[place + 4 : place + 5] != (b".",)
            number += name in _TEST_LIBRARIES and not alias
    for pattern in binding_patterns(code):
        number += any(token in _BASIC and _binds(pattern, place) for place, token in enumerate(pattern))
    return number


def _binds(pattern: Sequence[bytes], place: int) -> bool:
    """Whether a pattern gives the name or the operator at ``place`` a meaning; a field or a type only names it."""
    before, after = pattern[place - 1 : place], pattern[place + 1 : place + 2]
    if pattern[place][:1].isalpha():
        return list(before) not in ([b"."], [b":"]) and list(after) != [b"="]
    return list(before) == [b"("] and list(after) == [b")"]


def _defines(code: Sequence[bytes], place: int) -> bool:
    """Whether the name at ``place`` is being defined. Behind ``~`` it is used, unless it is a parameter."""
    return place > 0 and code[place - 1] in {b"let", b"rec", b"and", b"val", b"method", b"mutable"}
