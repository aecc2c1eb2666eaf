"""Choosing what a model is shown, within a budget of tokens.

With an error, in this order while the budget lasts:

1. the first error (in a file of ``focus``, if any is), as the compiler prints it;
2. its whole file when that has at most ``SMALL_FILE_LINES`` lines; else the definition that holds the error, or,
   when that costs more than ``ENCLOSING_SHARE`` of what the error leaves, a window around the error;
3. the definitions that the error names: in its message, in the code it marks, on its line; in the same file first,
   then as ``M.x`` in the module's interface;
4. the files of ``focus``, each whole, or its head when that does not fit;
5. the neighbours of the definition, nearest first, while they leave a quarter of the budget;
6. the interface of the file, and of the modules that the definition names: whole, or else what is used of them;
7. further errors, and with what is left more neighbours.

With an error that names no place, such as a failing test: the error, the files of ``focus``, then what
``prompts.search`` finds for its message and those of the other errors.

Without an error: the files of ``focus``, then what ``prompts.search`` finds for the person's words.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from greenloop.prompts.diagnostics import show_diagnostic
from greenloop.prompts.draft import Draft, SourceFile
from greenloop.prompts.question import Context, Question, ShownError
from greenloop.prompts.search import rank
from greenloop.records import Diagnostic, InputError, Severity
from greenloop.workspace.store import TreeStore
from greenloop.workspace.syntax import Item, Language, identifiers

SMALL_FILE_LINES = 60
"""A file up to this long is shown whole: FINDINGS of edit formats put the turning point about there."""
ENCLOSING_SHARE = 0.6
_NEIGHBOURS_SHARE = 0.75
_MAX_FURTHER_ERRORS = 8
_FURTHER_MESSAGE_BYTES = 600
_MAX_NAMED = 24
_WORD = re.compile(r"(?:([A-Z][\w']*)\.)?([A-Za-z_][\w']*)")


def gather(store: TreeStore, question: Question, *, budget: int) -> Context:
    """Return what to show for ``question`` in at most ``budget`` tokens, as ``prompts.tokens`` estimates them.

    The budget covers code and errors; ``render.overhead`` tells what the rest of the prompt costs. Raises
    ``InputError`` when a path of ``focus`` is not in the tree, or the budget does not even hold the error.
    """
    draft = Draft(store, question.tree, budget)
    for path in question.focus:
        if path not in draft.entries:
            raise InputError(f"{path}: not in the tree that is asked about", "is the path relative to the root?")
    errors = _errors(question)
    if not errors:
        _focus(draft, question)
        _ranked(draft, question.prompt)
        return draft.context()
    error = next((one for one in errors if one.path in question.focus), errors[0])
    _add_first_error(draft, error)
    placed = next((one for one in (error, *errors) if _file_of(draft, one) is not None), None)
    if placed is not None:
        _Around(draft, placed).fill(question)
    else:
        _focus(draft, question)
        # a failing test names no place in the code: what its name and its words name is looked for
        _ranked(draft, "\n".join([error.message, *(one.message for one in errors)]))
    _further_errors(draft, [one for one in errors if one != error])
    if placed is not None:
        _Around(draft, placed).neighbours(budget)
        return draft.context(last=placed.path)
    return draft.context()


def _errors(question: Question) -> list[Diagnostic]:
    errors = [one for one in question.diagnostics if one.severity is Severity.ERROR]
    return errors or list(question.diagnostics)


def _file_of(draft: Draft, error: Diagnostic) -> SourceFile | None:
    file = draft.file(error.path) if error.path is not None else None
    return file if file is not None and file.lines and error.span is not None else None


def _shown(draft: Draft, error: Diagnostic, message_bytes: int, *, with_code: bool = True) -> ShownError:
    file = _file_of(draft, error)
    lines = file.bare_lines if file is not None and with_code else ()
    return ShownError(error, show_diagnostic(error, lines, message_bytes=message_bytes))


def _add_first_error(draft: Draft, error: Diagnostic) -> None:
    # a token is about three bytes of a message, so the first try gives it half of the budget
    for share in (1.5, 0.75, 0.25):
        for with_code in (True, False):
            if draft.add_error(_shown(draft, error, int(draft.budget * share), with_code=with_code)):
                return
    raise InputError(
        f"a budget of {draft.budget} tokens does not hold the error in {error.path or 'the build'}",
        "give a larger token budget",
    )


def _further_errors(draft: Draft, errors: list[Diagnostic]) -> None:
    for error in errors[:_MAX_FURTHER_ERRORS]:
        draft.add_error(_shown(draft, error, _FURTHER_MESSAGE_BYTES))


def _focus(draft: Draft, question: Question) -> None:
    for path in question.focus:
        file = draft.file(path)
        if file is not None and not draft.add_lines(file, 1, len(file.lines)):
            draft.add_window(file, 1, 1, len(file.lines), limit=draft.budget)


def _ranked(draft: Draft, words: str) -> None:
    for file, first, last in rank(draft, words):
        draft.add_lines(file, first, last)


class _Around:
    """What belongs to one placed error: its file, its line, the definition around it."""

    def __init__(self, draft: Draft, error: Diagnostic) -> None:
        file = _file_of(draft, error)
        assert file is not None
        assert error.span is not None
        self.draft, self.error, self.file = draft, error, file
        # an error at the end of the file may point behind its last line
        self.line = min(error.span.line, len(file.lines))
        self.item = file.enclosing(self.line)

    def fill(self, question: Question) -> None:
        budget, spent = self.draft.budget, self.draft.tokens
        self._enclosing(spent + int((budget - spent) * ENCLOSING_SHARE))
        for file, item in self._named():
            self.draft.add_lines(file, item.first_line, item.last_line)
        _focus(self.draft, question)
        self.neighbours(int(budget * _NEIGHBOURS_SHARE))
        self._interfaces()

    def _enclosing(self, share: int) -> None:
        count = len(self.file.lines)
        if count <= SMALL_FILE_LINES and self.draft.add_lines(self.file, 1, count):
            return
        first, last = (
            (self.line - 1, self.line + 1) if self.item is None else (self.item.first_line, self.item.last_line)
        )
        # where the share holds not even the error's own line, the whole budget may
        for limit in (share, self.draft.budget):
            if self.draft.add_lines(self.file, first, last, limit=limit):
                return
            if self.draft.add_window(self.file, self.line, first, last, limit=limit):
                return

    def _named(self) -> Iterator[tuple[SourceFile, Item]]:
        """Yield the definitions that the error names, the most telling first, each once."""
        span = self.error.span
        assert span is not None
        lines = self.file.bare_lines
        marked = lines[self.line - 1].encode("utf-8", "replace")
        end = span.end_column if span.end_line == span.line else len(marked)
        sources = (self.error.message, marked[span.column : end].decode("utf-8", "replace"), lines[self.line - 1])
        words = dict.fromkeys(match.groups() for source in sources for match in _WORD.finditer(source))
        for module, name in list(words)[:_MAX_NAMED]:
            found = self._defined_here(name) if not module else None
            if found is not None:
                yield self.file, found
            elif module:
                yield from self._defined_in(module, name)

    def _defined_here(self, name: str) -> Item | None:
        having = [item for item in self.file.items if name in item.names]
        before = [item for item in having if item.first_line <= self.line]
        return before[-1] if before else next(iter(having), None)

    def _defined_in(self, module: str, name: str) -> Iterator[tuple[SourceFile, Item]]:
        for file in self._module_files(module):
            found = [item for item in file.items if name in item.names]
            if found:
                yield file, found[-1]
                return

    def _module_files(self, module: str) -> Iterator[SourceFile]:
        """Yield the interface, then the implementation of ``module``, as near to the error's file as they get."""
        stem = module[:1].lower() + module[1:]
        here = PurePosixPath(self.file.path).parent
        for suffix in (".mli", ".ml"):
            names = (f"{stem}{suffix}", f"{module}{suffix}")
            paths = [path for path in self.draft.entries if path.rpartition("/")[2] in names]
            paths.sort(key=lambda path: (PurePosixPath(path).parent != here, len(PurePosixPath(path).parts), path))
            file = self.draft.file(paths[0]) if paths else None
            if file is not None and file.path != self.file.path:
                yield file

    def neighbours(self, limit: int) -> None:
        """Choose what stands next to the chosen definition, the nearer side first, as long as ``limit`` allows."""
        count = len(self.file.lines)
        first, last = self._run()
        segments = _segments(self.file)
        above = [segment for segment in segments if segment[0] < first][::-1]
        below = [segment for segment in segments if segment[1] > last]
        while above or below:
            upward = above and (not below or self.line - above[0][1] <= below[0][0] - self.line)
            side = above if upward else below
            start, stop = side.pop(0)
            if not self.draft.add_lines(self.file, start, stop, limit=limit):
                side.clear()
        if self.file.language is None:
            self.draft.add_window(self.file, self.line, 1, count, limit=limit)

    def _run(self) -> tuple[int, int]:
        """The unbroken chosen lines around the error's line."""
        first = last = self.line
        while self.draft.shows(self.file.path, first - 1):
            first -= 1
        while self.draft.shows(self.file.path, last + 1):
            last += 1
        return first, last

    def _interfaces(self) -> None:
        used: dict[str, list[str]] = {}
        text = self.file.text(self.item.first_line, self.item.last_line) if self.item else ""
        if self.file.language is Language.OCAML:
            name = PurePosixPath(self.file.path).stem
            used[name[:1].upper() + name[1:]] = list(self.item.names) if self.item else []
            spelled = identifiers(text.encode("utf-8", "replace"), self.file.language)
            for module, name in _WORD.findall(text):
                if name[:1].isupper() and name in spelled:
                    used.setdefault(name, [])
                if module in spelled:
                    used.setdefault(module, []).append(name)
        for module, names in list(used.items())[:_MAX_NAMED]:
            file = next(self._module_files(module), None)
            if file is None or (file.path.endswith(".mli") and self.draft.add_lines(file, 1, len(file.lines))):
                continue
            for item in file.items:
                if not set(item.names).isdisjoint(names):
                    self.draft.add_lines(file, item.first_line, item.last_line)


def _segments(file: SourceFile) -> list[tuple[int, int]]:
    """Cut the file into its items, each with the comments before it, and the rest: (first line, last line)."""
    segments = []
    start = 1
    for item in file.items:
        if item.last_line >= start:
            segments.append((start, item.last_line))
            start = item.last_line + 1
    if file.items and start <= len(file.lines):
        segments.append((start, len(file.lines)))
    return segments
