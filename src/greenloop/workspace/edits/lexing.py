"""Tokens of source text, told apart just well enough to ignore white space outside strings and comments.

A string or a comment is one token with all its bytes. The families follow the file's name; a file of an
unknown family has no tokens, and is then matched by lines alone.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class Token:
    """One token, from line ``first`` to line ``last``, both counted from 0 and included."""

    text: str
    first: int
    last: int


_OCAML = r"""
    (?P<comment>\(\*(?!\)))
  | (?P<quoted>\{(?P<tag>[a-z_]*)\|.*?\|(?P=tag)\})
  | "(?:\\.|[^"\\])*"
  | '(?:\\(?:[^0-9xou]|[0-9]{3}|x[0-9a-fA-F]{2}|o[0-7]{3}|u\{[0-9a-fA-F]+\})|[^'\\\n])'
  | [\w']+ | [^\w\s"]
"""
_C = r"""
    //[^\n]* | /\*.*?\*/ | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `(?:\\.|[^`\\])*` | \w+ | [^\w\s]
"""
_HASH = r'''
    \#[^\n]* | """.*?""" | \'\'\'.*?\'\'\' | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | \w+ | [^\w\s]
'''
_LISP = r"""
    ;[^\n]* | "(?:\\.|[^"\\])*" | [^\s()";]+ | [()] | [^\s]
"""
_FAMILIES = {
    _OCAML: ".ml .mli .mll .mly .mlt",
    _C: ".c .h .cc .cpp .hpp .java .js .jsx .ts .tsx .go .rs .kt .swift .scala .cs",
    _HASH: ".py .rb .sh",
    _LISP: ".el .scm .lisp .clj dune dune-project dune-workspace",
}
_LEXERS = {
    name: re.compile(pattern, re.VERBOSE | re.DOTALL) for pattern, names in _FAMILIES.items() for name in names.split()
}
_COMMENT_PARTS = re.compile(r"""\(\*|\*\)|"(?:\\.|[^"\\])*"|\{(?P<tag>[a-z_]*)\|.*?\|(?P=tag)\}""", re.DOTALL)


def tokens(text: str, path: str) -> list[Token]:
    """Return the tokens of ``text``; none when the family of ``path`` is unknown."""
    name = PurePosixPath(path)
    lexer = _LEXERS.get(name.suffix) or _LEXERS.get(name.name)
    found: list[Token] = []
    at, line = 0, 0
    while lexer is not None and (match := lexer.search(text, at)) is not None:
        line += text.count("\n", at, match.start())
        end = match.end()
        if match.lastgroup == "comment":
            end = _comment_end(text, match.start())
        token = text[match.start() : end]
        last = line + token.count("\n")
        found.append(Token(token, line, last))
        at, line = end, last
    return found


def _comment_end(text: str, start: int) -> int:
    """Return where the OCaml comment that starts at ``start`` ends: comments nest, strings in them count."""
    depth = 0
    for part in _COMMENT_PARTS.finditer(text, start):
        if part[0] == "(*":
            depth += 1
        elif part[0] == "*)":
            depth -= 1
            if depth == 0:
                return part.end()
    return len(text)
