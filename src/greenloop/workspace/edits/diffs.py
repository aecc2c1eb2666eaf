"""Showing the difference of two trees: as a diff that ``git apply`` takes back, and as a count of lines."""

from collections.abc import Iterator, Sequence

from greenloop.records import EditError, TreeId
from greenloop.workspace.edits.differ import Hunk, hunks
from greenloop.workspace.edits.paths import quote_c
from greenloop.workspace.edits.text import decode_text, split_lines
from greenloop.workspace.store import Change, Entry, Mode, TreeStore

CONTEXT_LINES = 3
"""Unchanged lines shown around a change, as in git."""


def render_unified(store: TreeStore, base: TreeId, target: TreeId) -> str:
    """Return the git-style unified diff from ``base`` to ``target``; empty when they are equal.

    Raises ``EditError`` with reason ``binary`` when a changed file is a link or is not UTF-8 text.
    """
    return "".join(part for change in store.changes(base, target) for part in _render(store, change))


def changed_lines(store: TreeStore, base: TreeId, target: TreeId) -> int:
    """Return how many lines change: max(added, removed), summed over the stretches that differ (no context).

    A change of mode counts nothing. Raises ``EditError`` as ``render_unified`` does.
    """
    total = 0
    for change in store.changes(base, target):
        old, new = (_lines(store, change.path, entry) for entry in (change.old, change.new))
        total += sum(max(hunk.end - hunk.start, hunk.new_end - hunk.new_start) for hunk in hunks(old, new))
    return total


def _lines(store: TreeStore, path: str, entry: Entry | None) -> list[str]:
    if entry is None:
        return []
    if entry.mode is Mode.LINK:
        raise EditError(f"{path}: a symbolic link changes", "diffs show text files only", reason="binary")
    return split_lines(decode_text(store.read_blob(entry.blob), path))


def _render(store: TreeStore, change: Change) -> Iterator[str]:
    old, new = (_lines(store, change.path, entry) for entry in (change.old, change.new))
    old_name, new_name = quote_c(f"a/{change.path}"), quote_c(f"b/{change.path}")
    yield f"diff --git {old_name} {new_name}\n"
    if change.old is None and change.new is not None:
        yield f"new file mode {change.new.mode:o}\n"
    elif change.new is None and change.old is not None:
        yield f"deleted file mode {change.old.mode:o}\n"
    elif change.old is not None and change.new is not None and change.old.mode is not change.new.mode:
        yield f"old mode {change.old.mode:o}\nnew mode {change.new.mode:o}\n"
    found = hunks(old, new)
    if found:
        # the tab tells git where a name with blanks ends
        tab = "\t" if " " in change.path else ""
        yield "--- " + ("/dev/null" if change.old is None else old_name + tab) + "\n"
        yield "+++ " + ("/dev/null" if change.new is None else new_name + tab) + "\n"
    for group in _groups(found):
        yield from _render_group(group, old, new)


def _groups(found: Sequence[Hunk]) -> Iterator[list[Hunk]]:
    """Yield neighbours whose contexts would touch together."""
    group: list[Hunk] = []
    for hunk in found:
        if group and hunk.start - group[-1].end > 2 * CONTEXT_LINES:
            yield group
            group = []
        group.append(hunk)
    if group:
        yield group


def _render_group(group: Sequence[Hunk], old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    first, last = group[0], group[-1]
    above = min(CONTEXT_LINES, first.start)
    below = min(CONTEXT_LINES, len(old) - last.end)
    start, end = first.start - above, last.end + below
    new_start, new_end = first.new_start - above, last.new_end + below
    yield f"@@ -{_range(start, end)} +{_range(new_start, new_end)} @@\n"
    at = start
    for hunk in group:
        yield from (_line(" ", line) for line in old[at : hunk.start])
        yield from (_line("-", line) for line in old[hunk.start : hunk.end])
        yield from (_line("+", line) for line in new[hunk.new_start : hunk.new_end])
        at = hunk.end
    yield from (_line(" ", line) for line in old[at:end])


def _range(start: int, end: int) -> str:
    # an empty side names the line before it
    count = end - start
    return f"{start + 1 if count else start}" + ("" if count == 1 else f",{count}")


def _line(sign: str, line: str) -> str:
    return f"{sign}{line}" if line.endswith("\n") else f"{sign}{line}\n\\ No newline at end of file\n"
