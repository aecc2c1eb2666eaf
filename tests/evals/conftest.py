"""A tree store, trees from texts, and diagnostics, for the tests of this room."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from greenloop.records import Category, Diagnostic, Severity, Span, TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "trees")


@pytest.fixture
def write(store: TreeStore) -> Callable[[Mapping[str, str]], TreeId]:
    """Store a tree of path → text."""

    def tree(files: Mapping[str, str]) -> TreeId:
        return store.write_tree(
            {path: Entry(Mode.FILE, store.write_blob(text.encode())) for path, text in files.items()}
        )

    return tree


@pytest.fixture
def type_error() -> Callable[[str, int], Diagnostic]:
    """A type error at (path, line)."""

    def error(path: str, line: int) -> Diagnostic:
        return Diagnostic(
            severity=Severity.ERROR,
            category=Category.TYPE,
            message="This expression has type string but an expression was expected of type int",
            path=path,
            span=Span(line=line, column=12, end_line=line, end_column=15),
        )

    return error
