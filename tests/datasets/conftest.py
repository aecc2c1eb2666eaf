"""Examples with real trees and edits."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from greenloop.mining.example import example_id
from greenloop.records import Category, Diagnostic, Example, Severity, Span, Suite
from greenloop.workspace.edits import changed_lines, edit_between
from greenloop.workspace.store import Entry, Mode, TreeStore

Make = Callable[..., Example]


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "trees")


@pytest.fixture
def make(store: TreeStore) -> Make:
    """Make an example: ``make(author, number)``; the number decides its texts."""

    def example(
        author: str = "ada", number: int = 0, *, time: float | None = None, extra: str = "", lines: int = 1
    ) -> Example:
        old = "".join(f'let x{row} = {number} ^ "é{row}"\n' for row in range(lines))
        trees = []
        for text in (old, old.replace("^", "+")):
            files = {"a.ml": Entry(Mode.FILE, store.write_blob(text.encode()))}
            if extra:
                files["extra.ml"] = Entry(Mode.FILE, store.write_blob(extra.encode()))
            trees.append(store.write_tree(files))
        base, target = trees
        return Example(
            id=example_id(base, target, Suite.CHECK),
            workspace=f"{author}/a.ml",
            author=author,
            time=1000.0 + 3600 * number if time is None else time,
            base=base,
            target=target,
            edit=edit_between(store, base, target),
            prompt="fix that error",
            description="Fix a type error in a.ml.",
            diagnostics=(
                Diagnostic(
                    severity=Severity.ERROR,
                    category=Category.TYPE,
                    message="This expression has type int but an expression was expected of type string",
                    path="a.ml",
                    span=Span(line=1, column=9, end_line=1, end_column=10),
                ),
            ),
            category=Category.TYPE,
            changed_lines=changed_lines(store, base, target),
            toolchain="0" * 64,
            suite=Suite.CHECK,
        )

    return example


Write = Callable[..., Example]


@pytest.fixture
def change(store: TreeStore) -> Write:
    """Make an example out of texts: ``change(before, after)``, each a text of ``a.ml`` or path → text."""

    def example(
        before: str | Mapping[str, str],
        after: str | Mapping[str, str],
        *,
        author: str = "ada",
        time: float = 1000.0,
        workspace: str = "",
        message: str = "This expression has type int",
        **fields: object,
    ) -> Example:
        base, target = (
            store.write_tree(
                {
                    path: Entry(Mode.FILE, store.write_blob(text.encode()))
                    for path, text in ({"a.ml": side} if isinstance(side, str) else side).items()
                }
            )
            for side in (before, after)
        )
        edit = edit_between(store, base, target)
        span = Span(line=1, column=0, end_line=1, end_column=1)
        told = Diagnostic(
            severity=Severity.ERROR, category=Category.TYPE, message=message, path=edit.paths[0], span=span
        )
        made = Example(
            id=example_id(base, target, Suite.CHECK),
            workspace=workspace or f"of {author}",
            author=author,
            time=time,
            base=base,
            target=target,
            edit=edit,
            prompt="fix that error",
            description="Fix a type error.",
            diagnostics=(told,),
            category=Category.TYPE,
            changed_lines=changed_lines(store, base, target),
            toolchain="0" * 64,
            suite=Suite.CHECK,
        )
        return made.model_copy(update=fields)

    return example


@pytest.fixture
def program() -> Callable[[int], str]:
    """A program of its own for each number: no run of five tokens is another's, save by chance."""

    def text(number: int, lines: int = 12) -> str:
        drawn = random.Random(number)
        words = ["".join(drawn.choices("abcdefghijklmnop", k=6)) for _ in range(60)]
        return "".join(
            f"let {drawn.choice(words)} {drawn.choice(words)} = {drawn.choice(words)} ({drawn.choice(words)}, {row})\n"
            for row in range(lines)
        )

    return text
