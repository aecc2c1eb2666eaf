"""The smallest edit that leads from one tree to another, with every SEARCH unique in its file."""

from collections.abc import Sequence
from itertools import islice

from greenloop.records import Block, DeleteFile, Edit, EditError, FileEdit, ReplaceBlocks, TreeId, WriteFile
from greenloop.workspace.edits.differ import Hunk, hunks
from greenloop.workspace.edits.text import MAX_LINES, Haystack, decode_text, split_lines
from greenloop.workspace.store import Change, Mode, TreeStore

_BLOCK_COST = 15
"""Characters that a block's three markers take in a reply."""
_PATIENT_STEPS = 8
"""So many times the context grows line by line; then it doubles, to keep the search for uniqueness cheap."""


def edit_between(store: TreeStore, base: TreeId, target: TreeId) -> Edit:
    """Return an edit that ``apply`` takes from ``base`` to exactly ``target``, every block at the exact rung.

    Changed stretches are widened by lines around until they occur once in the file; a file is written whole
    where that is shorter. Deletions come first, then the rest, both by path. A file's rename is its deletion
    and its writing.

    Raises ``EditError`` with reason ``binary`` when a changed file is a link or is not UTF-8 text (a deletion
    needs no text), ``empty`` when the trees are equal.
    """
    changes = store.changes(base, target)
    if not changes:
        raise EditError("the trees are equal: there is no edit between them", reason="empty")
    deletions = [change for change in changes if change.new is None]
    others = [change for change in changes if change.new is not None]
    return Edit(files=tuple(_file_edit(store, change) for change in [*deletions, *others]))


def _file_edit(store: TreeStore, change: Change) -> FileEdit:
    path, old, new = change.path, change.old, change.new
    if any(entry is not None and entry.mode is Mode.LINK for entry in (old, new)):
        raise EditError(f"{path}: a symbolic link changes", "edits change text files only", reason="binary")
    if new is None:
        return DeleteFile(path=path)
    executable = new.mode is Mode.EXECUTABLE
    content = decode_text(store.read_blob(new.blob), path) if old is None or old.blob != new.blob else ""
    if old is None:
        return WriteFile(path=path, content=content, executable=True if executable else None)
    mode = None if old.mode is new.mode else executable
    if old.blob == new.blob:
        return ReplaceBlocks(path=path, blocks=(), executable=mode)
    before = decode_text(store.read_blob(old.blob), path)
    blocks = None
    if before and before.count("\n") < MAX_LINES:
        blocks = unique_blocks(split_lines(before), split_lines(content))
    if blocks is None:
        return WriteFile(path=path, content=content, executable=mode)
    return ReplaceBlocks(path=path, blocks=blocks, executable=mode)


def unique_blocks(old: Sequence[str], new: Sequence[str]) -> tuple[Block, ...] | None:
    """Return blocks that turn ``old``, which is not empty, into ``new``, each unique in ``old``.

    ``None`` when the new text is shorter than the blocks would be.
    """
    budget = sum(map(len, new)) + _BLOCK_COST
    haystack = Haystack(old)
    found: list[tuple[int, int, Hunk, Hunk]] = []
    for hunk in hunks(old, new):
        first = hunk
        start, end = _widen(old, haystack, hunk.start, hunk.end, budget)
        while found and start <= found[-1][1]:
            # blocks that meet are one; what holds a unique run of lines is unique itself
            left, right, first, _ = found.pop()
            start, end = min(start, left), max(end, right)
        found.append((start, end, first, hunk))
    # only now are a block's outer hunks known: lines beyond them are the same on both sides
    blocks = tuple(
        Block(
            search="".join(old[start:end]),
            replace="".join(new[first.new_start - (first.start - start) : last.new_end + (end - last.end)]),
        )
        for start, end, first, last in found
    )
    cost = sum(len(block.search) + len(block.replace) + _BLOCK_COST for block in blocks)
    return blocks if cost <= budget else None


def _widen(old: Sequence[str], haystack: Haystack, start: int, end: int, budget: int) -> tuple[int, int]:
    """Return [start, end) with as many lines around as make it unique in ``old``, or as ``budget`` allows."""
    step, steps = 1, 0
    upward = True
    while start == end or len(list(islice(haystack.find(old[start:end]), 2))) > 1:
        if (start == 0 and end == len(old)) or sum(map(len, old[start:end])) > budget:
            break
        # by turns above and below: what surrounds a change says best where it is
        if (upward and start > 0) or end == len(old):
            start = max(0, start - step)
        else:
            end = min(len(old), end + step)
        upward = not upward
        steps += 1
        step = 1 if steps < _PATIENT_STEPS else step * 2
    return start, end
