"""Commits that touch what a tool wrote: by path, by a mark at its head, or by the source that stands beside it."""

import re

from greenloop.builds.protect import matches
from greenloop.mining.changed import ChangedFile
from greenloop.mining.commits.change import CommitChange
from greenloop.mining.commits.rules.rule import ChangeRule

_GLOBS = (
    "**/*.tab.c", "**/*.tab.h", "**/*.tab.cc", "**/lex.yy.c", "**/y.tab.*", "**/*_pb2.py", "**/*.pb.go", "**/*.pb.cc",
    "**/*.pb.h", "**/*_pb.ml", "**/*_pb.mli", "**/configure", "**/aclocal.m4",
)  # fmt: skip
_SOURCES = {".ml": (".mly", ".mll", ".cppo.ml", ".atd"), ".mli": (".mly", ".cppo.mli"), ".c": (".y", ".l", ".re")}
"""What menhir, ocamlyacc, ocamllex, cppo, atdgen, bison, flex and re2c read, by the suffix of what they write."""
_TABLES = re.compile(
    rb"\A(?:\s*\(\*.{0,500}?\*\))?\s*#\s*\d+\s+\"[^\"\n]*\.(?:mly|mll)\"|__ocaml_lex_tables|MenhirBasics|yytables\b"
    rb"|Parsing\.parse_tables|\bYY_ACTIONS\b|\byy_accept\[",
    re.DOTALL,
)


def _generated(change: CommitChange) -> bool:
    return any(
        file.generated or matches(file.path, _GLOBS) or _has_source(change, file) or _has_tables(file)
        for file in change.files
    )


def _has_source(change: CommitChange, file: ChangedFile) -> bool:
    for suffix, sources in _SOURCES.items():
        if file.path.endswith(suffix):
            stem = file.path.removesuffix(suffix)
            return any(change.store.entry(change.target, stem + source) is not None for source in sources)
    return False


def _has_tables(file: ChangedFile) -> bool:
    return any(side is not None and _TABLES.search(side) is not None for side in (file.old, file.new))


RULE = ChangeRule("a generated file", _generated)
