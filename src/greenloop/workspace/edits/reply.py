"""Reading a model's reply: SEARCH/REPLACE blocks and whole files, by the grammar in ``grammar``.

Prose around is ignored, and so are fences around blocks; Aider's long markers are read too. What is an edit
but is not whole (a block without its end, a file without its path) is refused, never guessed.
"""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from greenloop.records import Block, DeleteFile, Edit, EditError, FileEdit, RenameFile, ReplaceBlocks, WriteFile
from greenloop.workspace.edits import grammar
from greenloop.workspace.edits.paths import check_path
from greenloop.workspace.edits.text import split_lines


def parse_reply(text: str) -> Edit:
    """Return the edit that a model's reply spells out, with files and blocks in the order of the reply.

    Raises ``EditError`` with one of the reasons: ``empty`` (nothing but white space), ``no-edit`` (only prose),
    ``no-path`` (a block or a file without a path), ``unterminated``, ``malformed``, ``nested-fence``,
    ``diff-reply`` (a unified diff instead), ``not-text`` (NUL bytes, lone surrogates), ``too-large``; or those
    of ``check_path``.
    """
    if len(text) > grammar.MAX_REPLY_CHARS:
        raise EditError(
            f"the reply has {len(text)} characters, more than {grammar.MAX_REPLY_CHARS}",
            "was the model repeating itself?",
            reason="too-large",
        )
    if not text.strip():
        raise EditError("the reply is empty", "ask again", reason="empty")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise EditError("the reply is not Unicode text", "ask again", reason="not-text") from error
    if "\0" in text:
        raise EditError("the reply holds NUL bytes", "ask again", reason="not-text")
    return _Reader(split_lines(unify_ends(text))).read()


def unify_ends(text: str) -> str:
    """Return ``text`` with LF line ends if every line of it ends in CRLF; else a CR belongs to its line."""
    newlines = text.count("\n")
    return text.replace("\r\n", "\n") if newlines and text.count("\r\n") == newlines else text


@dataclass(frozen=True, slots=True)
class _Open:
    """A file whose blocks are still being read."""

    path: str
    executable: bool | None
    blocks: list[Block]


class _Reader:
    """One pass over the lines of a reply."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0
        self.files: list[FileEdit] = []
        self.open: _Open | None = None
        self.blocks = 0
        self.path: str | None = None
        """The last path on a line of its own that no edit has taken yet."""
        self.adjacent = False
        """Only blank lines and fences stand between that path and here; a whole file asks for it."""
        self.wrapper = 0
        """Length of the fence around blocks that is open, 0 if none."""
        self.orphan = False
        """A fence without a path was seen: prose if the reply holds edits, a nameless file if not."""
        ends = [(i, grammar.FENCE_END.fullmatch(line.rstrip(grammar.BLANKS))) for i, line in enumerate(lines)]
        self.fence_ends = [(i, len(match[1])) for i, match in ends if match]
        self.openings = [i for i, line in enumerate(lines) if grammar.OPENING.fullmatch(line.rstrip(grammar.BLANKS))]

    def read(self) -> Edit:
        while self.at < len(self.lines):
            line = self.lines[self.at].rstrip(grammar.BLANKS)
            opening = grammar.OPENING.fullmatch(line)
            fence = grammar.FENCE.fullmatch(line)
            if opening:
                self._marker(opening[1], opening[2] or "", opening[3] or "")
            elif line.startswith("<" * grammar.MIN_RUN):
                raise self._malformed(f"{line[:60]!r} opens no block")
            elif fence:
                self._fence(len(fence[1]), fence[2])
            else:
                self.at += 1
                if line.strip():
                    named = grammar.read_path(line)
                    self.path, self.adjacent = (self.path if named is None else named), named is not None
            if len(self.files) > grammar.MAX_FILES or self.blocks > grammar.MAX_BLOCKS:
                raise EditError(
                    f"the reply changes more than {grammar.MAX_FILES} files or has more than "
                    f"{grammar.MAX_BLOCKS} blocks",
                    "ask for less at once",
                    reason="too-large",
                )
        self._close()
        if not self.files:
            raise self._nothing()
        return Edit(files=tuple(self.files))

    def _nothing(self) -> EditError:
        if self.orphan:
            return EditError(
                "the reply has a fenced text without a path", "put the file's path above it", reason="no-path"
            )
        return EditError("the reply holds no edit", "answer with SEARCH/REPLACE blocks", reason="no-edit")

    def _malformed(self, what: str) -> EditError:
        return EditError(f"line {self.at + 1} of the reply: {what}", "answer with SEARCH/REPLACE blocks")

    def _unterminated(self, what: str, start: int) -> EditError:
        return EditError(
            f"line {start + 1} of the reply: {what} without its end", "was the reply cut short?", reason="unterminated"
        )

    def _marker(self, run: str, word: str, rest: str) -> None:
        """Read what an opening marker starts: a block, or an operation of one line."""
        path, self.path = self.path, None
        if word in {"", "SEARCH", "ORIGINAL"}:
            if rest:
                raise self._malformed(f"{rest[:60]!r} after the marker")
            self._add_block(path, self._block(run))
            return
        if path is None:
            raise self._no_path()
        if (word == "rename") != bool(rest):
            raise self._malformed(f"{word} {'needs the new path' if word == 'rename' else 'stands alone'}")
        self.at += 1
        check_path(path)
        if word == "delete":
            self._add(DeleteFile(path=path))
        elif word == "rename":
            new_path = grammar.read_path(rest)
            if new_path is None:
                raise self._malformed(f"{rest[:60]!r} is not a path")
            self._add(RenameFile(path=path, new_path=check_path(new_path)))
        else:
            self._open(path, word == "+x")

    def _open(self, path: str, executable: bool | None) -> None:
        """Begin a file to which blocks are added until another file begins."""
        self._close()
        self.open = _Open(check_path(path), executable, [])

    def _close(self) -> None:
        if self.open is not None:
            self.files.append(
                ReplaceBlocks(path=self.open.path, blocks=tuple(self.open.blocks), executable=self.open.executable)
            )
        self.open = None

    def _add(self, file: FileEdit) -> None:
        self._close()
        self.files.append(file)

    def _no_path(self) -> EditError:
        return EditError(
            f"line {self.at + 1} of the reply: a block without a path",
            "put the file's path on the line above the block",
            reason="no-path",
        )

    def _add_block(self, path: str | None, block: Block) -> None:
        self.blocks += 1
        if path is not None:
            self._open(path, None)
        if self.open is None:
            raise self._no_path()
        self.open.blocks.append(block)

    def _block(self, run: str) -> Block:
        """Read a block whose opening marker is at hand; leave ``at`` behind its end."""
        start = self.at
        middle = self._find(grammar.MIDDLE, len(run), start + 1)
        if middle is None:
            raise self._unterminated("a block", start)
        end = self._find(grammar.CLOSING, len(run), middle[0] + 1)
        if end is None:
            raise self._unterminated("a block", start)
        search = self._text(start + 1, *middle)
        replace = self._text(middle[0] + 1, *end)
        self.at = end[0] + 1
        return Block(search=search, replace=replace)

    def _find(self, marker: re.Pattern[str], length: int, start: int) -> tuple[int, bool] | None:
        """Return the line of the next ``marker`` of that length, and whether the text above it ends openly."""
        for at in range(start, len(self.lines)):
            line = self.lines[at].rstrip(grammar.BLANKS)
            if line[:1] not in {"<", "=", ">"}:
                continue
            found = marker.fullmatch(line)
            if found is not None and len(found[1]) == length:
                return at, bool(found[2])
            for other in (grammar.OPENING, grammar.MIDDLE, grammar.CLOSING):
                stray = other.fullmatch(line)
                if stray is not None and len(stray[1]) == length:
                    self.at = at
                    raise self._malformed(f"{line[:60]!r} stands in the wrong place")
        return None

    def _text(self, start: int, end: int, open_end: bool) -> str:
        text = "".join(self.lines[start:end])
        if not open_end:
            return text
        if not text:
            self.at = end
            raise self._malformed("no line that could lack its end")
        return text[:-1]

    def _fence(self, length: int, info: str) -> None:
        """Read a whole file, step into a fence around blocks, or skip a fence that has nothing to do with edits."""
        words = info.split()
        if self.wrapper and length >= self.wrapper and not words:
            self.wrapper = 0
            self.at += 1
            return
        start = self.at
        end = self._fence_end(start, length)
        if "whole" not in words and self._opens_block(start, len(self.lines) if end is None else end):
            self.wrapper = length
            self.at += 1
            return
        if end is None:
            raise self._unterminated("a fence", start)
        path = self.path
        if path is None or not self.adjacent:
            self.orphan, self.adjacent = True, False
            self.at = end + 1
            return
        self.path = None
        self._check_fence(path, words, start, end, length)
        executable = True if "+x" in words else False if "-x" in words else None
        open_end = self.lines[end].rstrip(grammar.BLANKS).endswith("\\")
        content = self._text(start + 1, end, open_end)
        self.at = end + 1
        self._add(WriteFile(path=check_path(path), content=content, executable=executable))

    def _check_fence(self, path: str, words: list[str], start: int, end: int, length: int) -> None:
        if words[:1] in (["diff"], ["patch"]) and not path.endswith((".diff", ".patch")):
            raise EditError(
                f"{path}: a diff where the whole file or blocks should be",
                "answer with SEARCH/REPLACE blocks",
                reason="diff-reply",
            )
        for at in range(start + 1, end):
            inner = grammar.FENCE.fullmatch(self.lines[at].rstrip(grammar.BLANKS))
            if inner is not None and len(inner[1]) >= length:
                raise EditError(
                    f"line {at + 1} of the reply: a fence inside the fence of {path}",
                    "make the outer fence longer than the inner ones",
                    reason="nested-fence",
                )

    def _fence_end(self, start: int, length: int) -> int | None:
        index = bisect_right(self.fence_ends, (start, 1 << 62))
        # walking past a shorter fence costs less than the length of the one that asks: linear over the reply
        while index < len(self.fence_ends):
            at, found = self.fence_ends[index]
            if found >= length:
                return at
            index += 1
        return None

    def _opens_block(self, start: int, end: int) -> bool:
        index = bisect_left(self.openings, start)
        return index < len(self.openings) and self.openings[index] < end
