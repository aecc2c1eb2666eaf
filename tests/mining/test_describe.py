"""Descriptions say what was wrong and what changed, by name."""

from greenloop.mining.changed import ChangedFile
from greenloop.mining.describe import describe, describe_files
from greenloop.records import Category, Diagnostic, Severity

ERROR = Diagnostic(
    severity=Severity.ERROR, category=Category.TYPE, message="This has type int\nbut string was expected.", path="a.ml"
)
OLD = b"let f x = x ^ 1\n\nlet g x = x\n\nlet h = 3\n"


def test_a_changed_definition() -> None:
    new = OLD.replace(b"x ^ 1", b"x + 1")
    assert describe(ERROR, [ChangedFile("a.ml", OLD, new)]) == (
        "Fix a type error in a.ml: This has type int but string was expected. "
        "Change f in a.ml (1 line replaced by 1 line)."
    )


def test_names_added_and_removed() -> None:
    new = OLD.replace(b"let h = 3\n", b"").replace(b"let g", b"let helper y = y\nlet g")
    text = describe(ERROR, [ChangedFile("a.ml", OLD, new)])
    assert text.endswith("Change g, h in a.ml (1 line replaced by 1 line), adding helper, removing h.")


def test_files_that_come_and_go() -> None:
    text = describe(ERROR, [ChangedFile("b.ml", None, b"let x = 1\n"), ChangedFile("c.txt", b"hello\n", None)])
    assert text.endswith("Add b.ml with x. Delete c.txt.")


def test_names_of_a_broken_text_are_not_invented() -> None:
    # without its `in` the local y looks like a definition of its own
    old = b"let f x =\nlet y = x + 1\ny * 2\n"
    text = describe(ERROR, [ChangedFile("a.ml", old, old.replace(b"x + 1", b"x + 1 in"))])
    assert "adding" not in text
    assert "removing" not in text


def test_a_path_is_written_as_git_writes_it() -> None:
    source = b"let x = 1\n"
    text = describe_files([ChangedFile("n\nl\x1b.ml", None, source), ChangedFile("é b.ml", source, None)])
    assert text == 'Add "n\\nl\\033.ml" with x. Delete é b.ml with x.'
