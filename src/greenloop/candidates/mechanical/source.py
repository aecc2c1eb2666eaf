"""The search as a source of candidates."""

from collections.abc import Iterator

from greenloop.builds.protect import DEFAULT_GLOBS, TESTS, matches
from greenloop.candidates.mechanical.changes import applied
from greenloop.candidates.mechanical.site import site_of
from greenloop.candidates.mechanical.weighing import in_order
from greenloop.candidates.source import Proposal
from greenloop.prompts.question import Question
from greenloop.records import Diagnostic, Edit, EditError, FileEdit, ReplaceBlocks, Severity, WriteFile
from greenloop.workspace.edits.between import unique_blocks
from greenloop.workspace.edits.text import decode_text, split_lines
from greenloop.workspace.store import Mode, TreeStore

LABEL = "search"
_BUILD_FILES = tuple(glob for glob in DEFAULT_GLOBS if glob not in TESTS)
MAX_BYTES = 200_000
"""Larger files are not searched: they are generated, and ordering the edits would take seconds."""


class SearchSource:
    """Proposes edits of a few tokens near the first error, likeliest first, hundreds of them: to be taken lazily.

    Gives nothing where there is no error with a place in a text file of the tree, or where it lies in a build file,
    whose error is easily made to go by building less. Never raises.
    """

    @property
    def label(self) -> str:
        """What its proposals are signed with."""
        return LABEL

    def proposals(self, store: TreeStore, question: Question) -> Iterator[Proposal]:
        """Yield the edits one by one; each is made when it is asked for."""
        error = first_error(question)
        if error is None or error.path is None or matches(error.path, _BUILD_FILES):
            return
        entry, source = store.entry(question.tree, error.path), store.read(question.tree, error.path)
        if entry is None or source is None or entry.mode is Mode.LINK or len(source) > MAX_BYTES:
            return
        site = site_of(source, error.path, error)
        if site is None:
            return
        try:
            lines = split_lines(decode_text(source, error.path))
        except EditError:
            return
        for likelihood, change in in_order(site):
            edit = _edit(error.path, lines, applied(source, change))
            if edit is not None:
                yield Proposal(LABEL, edit, likelihood=likelihood)


def first_error(question: Question) -> Diagnostic | None:
    """Return the error that a person sees first: the first printed; within its file, the first by place."""
    errors = [one for one in question.diagnostics if one.severity is Severity.ERROR]
    held = [one for one in errors if one.path == errors[0].path and one.span is not None]
    return min(held, key=lambda one: one.span.line if one.span else 0, default=None)


def _edit(path: str, old: list[str], changed: bytes) -> Edit | None:
    new = changed.decode("utf-8", "replace")
    if not new:
        return None
    blocks = unique_blocks(old, split_lines(new))
    file: FileEdit = WriteFile(path=path, content=new) if blocks is None else ReplaceBlocks(path=path, blocks=blocks)
    return Edit(files=(file,))
