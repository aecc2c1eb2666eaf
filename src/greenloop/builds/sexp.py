"""The s-expressions of dune files, read as dune reads them.

Only the form is read here: what a stanza means is the caller's business. Source: the lexer of dune's language,
ocaml/dune src/dune_sexp/lexer.mll.
"""

import re
from collections.abc import Iterator
from typing import TypeAlias

Sexp: TypeAlias = str | tuple["Sexp", ...]
"""An atom (quoted or not), or a list."""

_TOKEN = re.compile(
    r"""
      (?P<blank>[ \t\r\n\f]+|;[^\n]*)
    | (?P<block>\#\|)
    | (?P<drop>\#;)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<text>"\\[|>][^\n]*(?:\n[ \t]*"\\[|>][^\n]*)*)
    | "(?P<quoted>(?:[^"\\]|\\.)*)"
    | (?P<atom>(?:[^\s()";\#]|\#(?![|;]))(?:[^\s()";])*)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK = re.compile(r"#\||\|#")
_ESCAPE = re.compile(r"\\(?:(?P<newline>\n[ \t]*)|(?P<code>\d{3})|x(?P<hex>[0-9a-fA-F]{2})|(?P<other>.))", re.DOTALL)
_NAMED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b"}
_MAX_DEPTH = 200


class SexpError(ValueError):
    """The text is no sequence of s-expressions."""


def read(text: str) -> tuple[Sexp, ...]:
    """Return the s-expressions of a dune file, without comments.

    Raises ``SexpError`` where dune would complain too, or where the nesting is deeper than any project's.
    """
    stack: list[list[Sexp]] = [[]]
    dropped: list[int] = []
    """How deep the stack was at each ``#;`` that has not met its expression yet."""
    for found in _tokens(text):
        if found.lastgroup == "drop":
            dropped.append(len(stack))
            continue
        if found.lastgroup == "open":
            if len(stack) > _MAX_DEPTH:
                raise SexpError("nested too deep")
            stack.append([])
            continue
        if found.lastgroup == "close":
            if len(stack) == 1 or (dropped and dropped[-1] == len(stack)):
                raise SexpError(f"unexpected ) at offset {found.start()}")
            whole: Sexp = tuple(stack.pop())
        else:
            whole = _atom(found)
        if dropped and dropped[-1] == len(stack):
            dropped.pop()
        else:
            stack[-1].append(whole)
    if len(stack) > 1 or dropped:
        raise SexpError("the file ends within an s-expression")
    return tuple(stack[0])


def _tokens(text: str) -> Iterator[re.Match[str]]:
    """Yield brackets, atoms and ``#;``."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise SexpError(f"not an s-expression at offset {at}")
        at = found.end()
        if found.lastgroup == "block":
            at = _after_block(text, at)
        elif found.lastgroup != "blank":
            yield found


def atoms(sexp: Sexp) -> tuple[str, ...]:
    """Return every atom in an s-expression, in order."""
    found: list[str] = []
    todo = [sexp]
    while todo:
        one = todo.pop()
        if isinstance(one, str):
            found.append(one)
        else:
            todo += reversed(one)
    return tuple(found)


def head(sexp: Sexp) -> str:
    """Return the atom that a list begins with; empty where there is none."""
    return sexp[0] if isinstance(sexp, tuple) and sexp and isinstance(sexp[0], str) else ""


def fields(stanza: Sexp) -> tuple[tuple[str, tuple[Sexp, ...]], ...]:
    """Return the (name, values) of each list within a stanza: ``(library (name x))`` has ``("name", ("x",))``."""
    if isinstance(stanza, str):
        return ()
    return tuple((head(part), part[1:]) for part in stanza[1:] if isinstance(part, tuple))


def _after_block(text: str, at: int) -> int:
    """Return the offset behind a block comment, which may hold others."""
    depth = 1
    for found in _BLOCK.finditer(text, at):
        depth += 1 if found[0] == "#|" else -1
        if depth == 0:
            return found.end()
    raise SexpError("the file ends within a comment")


def _atom(found: re.Match[str]) -> str:
    if found["quoted"] is not None:
        return _ESCAPE.sub(_unescape, found["quoted"])
    if found["text"] is not None:
        lines = (line.strip(" \t") for line in found["text"].split("\n"))
        return "\n".join(line[3:].removeprefix(" ") for line in lines)
    return found["atom"]


def _unescape(found: re.Match[str]) -> str:
    if found["newline"] is not None:
        return ""
    if found["code"] is not None:
        return chr(int(found["code"]) % 256)
    if found["hex"] is not None:
        return chr(int(found["hex"], 16))
    return _NAMED.get(found["other"], found["other"])
