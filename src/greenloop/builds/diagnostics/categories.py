"""The class of an OCaml or dune error, from its wording in the compilers 4.13 to 5.3 and dune 2.9 to 3.x."""

import re

from greenloop.records import Category

_SYNTAX = re.compile(
    r"(?:Syntax error|syntax error|Illegal (?:character|backslash|escape|empty character)|Empty character literal"
    r"|String literal not terminated|Comment not terminated|This comment contains an unterminated"
    r"|Invalid (?:literal|lexer directive|encoding)|Reserved character sequence|`?\"?\S+ is a keyword, it cannot"
    r"|broken invariant in parsetree|invalid package type|In this scoped type"
    r"|unclosed parenthesis|unterminated|right parenthesis without|invalid (?:character|escape)|illegal character)"
)
"""What lexers and parsers say: OCaml's (parsing/lexer.mll, parsing/syntaxerr.ml), dune's, ocamllex and ocamlyacc."""
_UNBOUND = re.compile(r"Unbound|Undefined global|Reference to undefined global")
_DEPENDENCY = re.compile(
    r"Library \"[^\"]*\" (?:not found|in .* is hidden)|[Dd]ependency cycle|No implementations? provided for"
    r"|Error (?:while|during) linking|undefined reference|Could not find the \.cm|make inconsistent assumptions"
    r"|Cannot find (?:file|library)|No rule found|Multiple rules generated|Program \S+ not found"
    r"|Forward reference to|Conflict between the following libraries|is not a compiled interface"
    r"|[Cc]orrupted compiled interface|No such file or directory|File unavailable"
)
_BUILD_FILE = re.compile(r"(?:^|/)(?:dune(?:-project|-workspace|\.inc)?|[^/]*\.opam|META)$")
_SOURCE = re.compile(r"\.(?:ml|mli|mll|mly|re|rei|mld)$")


def is_build_file(path: str) -> bool:
    """Whether a path describes a build to dune or findlib, rather than being built."""
    return _BUILD_FILE.search(path) is not None


def categorise(message: str, path: str | None) -> Category:
    """Return what kind of mistake an error is; warnings made errors are the caller's to tell."""
    if _SYNTAX.match(message):
        return Category.SYNTAX
    if path is not None and is_build_file(path):
        return Category.DEPENDENCY
    if _UNBOUND.match(message):
        return Category.UNBOUND
    if _DEPENDENCY.search(message.split("\n\n", 1)[0]):
        return Category.DEPENDENCY
    if path is not None and _SOURCE.search(path):
        return Category.TYPE
    return Category.OTHER
