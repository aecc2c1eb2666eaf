"""What counts as fixed: the error is gone, and honestly so.

Type-checking alone is a weak measure (see ``builds.lint``). A fix must make the error disappear, bring no new error
before it, keep every top-level name, stay small, and be neither a stub nor a mere deletion. The edit's protected
files are assumed to be restored (``builds.protect``).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from greenloop.builds import lint
from greenloop.records import Category, Diagnostic, InfrastructureError, InputError, Status, TreeId, Verdict
from greenloop.workspace.edits import changed_lines
from greenloop.workspace.edits.differ import hunks
from greenloop.workspace.edits.text import split_lines
from greenloop.workspace.store import TreeStore
from greenloop.workspace.syntax import Rule, enclosing, identifiers, language_of, outline


@dataclass(frozen=True, slots=True)
class Assessment:
    """Whether an edit fixed what was red, and why not.

    ``error_gone``: the tree is green, or its first error now lies behind the definition that held it before.
    ``names_kept``: no changed file lost a top-level name. ``changed_lines``: the larger of added and removed lines,
    summed over hunks. ``flags``: see ``lint.flags``. ``reason``: empty when fixed, else the first thing that fails.
    """

    fixed: bool
    error_gone: bool
    names_kept: bool
    changed_lines: int
    flags: tuple[str, ...]
    reason: str


def assess(
    store: TreeStore, base: TreeId, result: TreeId, before: Verdict, after: Verdict, *, max_changed_lines: int
) -> Assessment:
    """Judge the edit from ``base`` to ``result`` by the verdicts on both.

    Raises ``InputError`` when the verdicts belong to other trees, or ``base`` shows no error to fix, and
    ``InfrastructureError`` when a verdict is none: a fault of the machine says nothing about the code.
    """
    _check(base, result, before, after)
    left = error_left(store, before, after)
    lost = names_lost(store, base, result)
    flags = lint.flags(store, base, result)
    size = changed_lines(store, base, result)
    reason = left
    if not reason and lost:
        reason = f"the name {lost[0]} was removed"
    if not reason and size > max_changed_lines:
        reason = f"{size} changed lines, {max_changed_lines} at most"
    if not reason and flags:
        reason = f"a cheap green: {flags[0]}"
    return Assessment(
        fixed=not reason, error_gone=not left, names_kept=not lost, changed_lines=size, flags=flags, reason=reason
    )


def names_lost(store: TreeStore, base: TreeId, result: TreeId) -> tuple[str, ...]:
    """Return the top-level names that changed files define in ``base`` and no longer in ``result``, sorted.

    Where ``base`` does not parse, a name counts as lost only if the file no longer spells it at all: what a broken
    text has at its top level is a guess, and a ``let`` often turns out to be a local one.
    """
    lost: set[str] = set()
    for change in store.changes(base, result):
        language = language_of(change.path)
        if change.old is None or language is None:
            continue
        old = store.read_blob(change.old.blob)
        new = b"" if change.new is None else store.read_blob(change.new.blob)
        shape = outline(old, language)
        names = {name for item in shape.items for name in item.names}
        kept = {name for item in outline(new, language).items for name in item.names}
        if shape.rule is Rule.LINES:
            kept |= identifiers(new, language)
        lost |= names - kept
    return tuple(sorted(lost))


def first_error(verdict: Verdict) -> Diagnostic:
    """Return the error that a person sees first: the first printed; within its file, the first by place.

    Raises ``InputError`` when the verdict holds no error.
    """
    if not verdict.errors:
        raise InputError(f"the tree {verdict.tree} shows no error", "only a red tree can be fixed")
    path = verdict.errors[0].path
    return min((error for error in verdict.errors if error.path == path), key=_line)


def _check(base: TreeId, result: TreeId, before: Verdict, after: Verdict) -> None:
    if (before.tree, after.tree) != (base, result):
        raise InputError("the verdicts belong to other trees than the edit")
    if Status.INFRA_ERROR in (before.status, after.status):
        raise InfrastructureError("a judgement could not be made", "judge the tree again")
    if before.status is not Status.RED:
        raise InputError(f"the tree {base} is {before.status}, not red", "only a red tree can be fixed")


def error_left(store: TreeStore, before: Verdict, after: Verdict) -> str:
    """Return why the first error of a red tree is not gone after a change, or an empty string.

    It is gone when the tree is green, or its first error now lies behind the definition that held the one before, and
    none is new in another file. A file that no longer parses says nothing of the types before its syntax error.
    """
    if after.green:
        return ""
    if after.status is not Status.RED:
        return f"the judgement ended in {after.status}"
    if not after.errors:
        return "the tree is red without a diagnostic"
    error = first_error(before)
    fresh = _elsewhere(after.errors, error.path) - _elsewhere(before.errors, error.path)
    if fresh:
        path, _, message = min(fresh, key=str)
        return f"a new error in {path or 'the build'}: {_headline(message)}"
    left = [other for other in after.errors if other.path == error.path]
    if error.category is not Category.SYNTAX and any(other.category is Category.SYNTAX for other in left):
        return f"{error.path or 'the build'} no longer parses"
    return _still_before(store, before.tree, after.tree, error, min(left, key=_line)) if left else ""


def _still_before(store: TreeStore, base: TreeId, result: TreeId, error: Diagnostic, first: Diagnostic) -> str:
    """Return an empty string if ``first``, the first error now, lies behind the definition that held ``error``."""
    path = error.path
    if path is None or error.span is None or first.span is None:
        return f"the error is still there: {_headline(first.message)}"
    old, new = store.read(base, path), store.read(result, path)
    if old is not None and new is not None:
        end = _end_of_definition(path, old, error.span.line)
        if first.span.line > _line_after(old, new, end):
            return ""
    return f"{path}, line {first.span.line}: {_headline(first.message)}"


def _headline(message: str) -> str:
    return message.partition("\n")[0]


def _line(error: Diagnostic) -> int:
    return 0 if error.span is None else error.span.line


def _elsewhere(errors: Iterable[Diagnostic], path: str | None) -> Counter[tuple[str | None, str, str]]:
    """The errors outside ``path``, places left out: an edit above an error moves it."""
    return Counter((error.path, error.category.value, error.message) for error in errors if error.path != path)


def _end_of_definition(path: str, source: bytes, line: int) -> int:
    """Return the last line of the top-level item that holds ``line``, or ``line`` itself when none does."""
    language = language_of(path)
    item = None if language is None else enclosing(source, line, language)
    return line if item is None else max(line, item.last_line)


def _line_after(old: bytes, new: bytes, line: int) -> int:
    """Return where ``line`` (from 1) of ``old`` stands in ``new``; a replaced line stands at its hunk's end."""
    moved = line
    for hunk in hunks(_lines(old), _lines(new)):
        if hunk.start >= line:
            break
        moved = hunk.new_end if hunk.end >= line else line + hunk.new_end - hunk.end
    return moved


def _lines(source: bytes) -> list[str]:
    return split_lines(source.decode("utf-8", "replace"))
