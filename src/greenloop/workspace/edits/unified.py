"""A strict reader of unified diffs, plain and git's: what it does not understand, it refuses by name.

``git apply`` copies files from outside the tree, and GNU patch writes through links and into ``.git``; so no
diff reaches either. Refused: links and submodules, copies, binary patches, paths outside the tree or inside
version control, hunks whose counts or line numbers are not true, prose before, between and after.
"""

import re
from dataclasses import dataclass, field

from greenloop.records import Block, DeleteFile, Edit, EditError, FileEdit, RenameFile, ReplaceBlocks
from greenloop.workspace.edits.grammar import MAX_BLOCKS, MAX_FILES
from greenloop.workspace.edits.paths import MAX_PATH_BYTES, check_path, unquote_c
from greenloop.workspace.edits.reply import unify_ends
from greenloop.workspace.edits.text import split_lines

MAX_DIFF_BYTES = 16_000_000
"""The largest diff that is read, in bytes of UTF-8."""
MAX_DIFF_LINES = 400_000
"""The longest diff that is read, in lines."""

_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(?: .*)?")
_MODE = re.compile(r"(old mode|new mode|new file mode|deleted file mode) (\d+)")
_INDEX = re.compile(r"index [0-9a-f]{4,64}\.\.[0-9a-f]{4,64}(?: (\d+))?")
_SIMILARITY = re.compile(r"(?:dis)?similarity index \d{1,3}%")
_NO_END = "\\ No newline at end of file"
_NULL = "/dev/null"


@dataclass(slots=True)
class _Section:
    """What the lines about one file say."""

    line: int
    modes: dict[str, str] = field(default_factory=dict)
    rename: dict[str, str] = field(default_factory=dict)
    pairs: frozenset[tuple[str, str]] | None = None
    """The names that the ``diff --git`` line may mean; ``None`` in a plain diff."""
    old: str | None = None
    new: str | None = None
    """The names on the ``---`` and ``+++`` lines, prefixes kept."""
    blocks: list[Block] = field(default_factory=list)


def parse_unified(text: str) -> Edit:
    """Return the edit that a unified diff spells out; every block knows its ``line``.

    Files stand in the order of the diff, but for deletions, which come first, and renames, which follow them.

    A new file becomes one block with an empty ``search``, so that an existing file is not overwritten; a
    deleted file with content a block that must match, then the deletion; a changed rename the rename, then the
    blocks of the new path.

    Raises ``EditError`` with one of the reasons: ``empty``, ``malformed``, ``counts`` (a hunk's counts or line
    numbers are not true), ``link``, ``submodule``, ``mode``, ``copy``, ``binary``, ``names`` (the file's names
    disagree), ``duplicate-path``, ``not-text``, ``too-large``; or those of ``check_path``.
    """
    if len(text) > MAX_DIFF_BYTES:
        raise _too_large(f"{len(text)} characters")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise EditError("the diff is not Unicode text", reason="not-text") from error
    if "\0" in text:
        raise EditError("the diff holds NUL bytes", reason="not-text")
    if size > MAX_DIFF_BYTES:
        raise _too_large(f"{size} bytes")
    if not text.strip():
        raise EditError("the diff is empty", reason="empty")
    lines = split_lines(unify_ends(text))
    if len(lines) > MAX_DIFF_LINES:
        raise _too_large(f"{len(lines)} lines")
    return _Reader(lines).read()


def _too_large(what: str) -> EditError:
    return EditError(
        f"the diff has {what}, more than is read",
        f"the limits are {MAX_DIFF_BYTES} bytes, {MAX_DIFF_LINES} lines, {MAX_FILES} files, {MAX_BLOCKS} hunks",
        reason="too-large",
    )


class _Reader:
    """One pass over the lines of a diff."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0
        self.hunks = 0
        self.end = max(i for i, line in enumerate(lines, 1) if line.strip())
        """Blank lines behind the last section are no section; a hunk may still count them as its own."""

    def read(self) -> Edit:
        sections: list[list[FileEdit]] = []
        seen: set[str] = set()
        while self.at < self.end:
            section = self._section()
            edits = self._edits(section)
            named = {path for edit in edits for path in Edit(files=(edit,)).paths}
            if named & seen:
                raise self._refuse("duplicate-path", f"{min(named & seen)} appears twice", section.line)
            seen |= named
            sections.append(edits)
            if len(sections) > MAX_FILES:
                raise _too_large(f"more than {MAX_FILES} files")
        # a diff means all at once, an edit one after the other: what goes makes way for what comes
        deletions = [edits for edits in sections if isinstance(edits[-1], DeleteFile)]
        renames = [edits for edits in sections if isinstance(edits[0], RenameFile)]
        others = [edits for edits in sections if edits not in deletions and edits not in renames]
        sections = [*deletions, *_in_turn(renames), *others]
        return Edit(files=tuple(edit for edits in sections for edit in edits))

    def _line(self) -> str | None:
        """Return the line at hand without its end, ``None`` behind the last."""
        return self.lines[self.at].removesuffix("\n") if self.at < len(self.lines) else None

    def _refuse(self, reason: str, what: str, line: int | None = None) -> EditError:
        where = (self.at if line is None else line) + 1
        return EditError(f"line {where} of the diff: {what}", "make it anew with git diff", reason=reason)

    def _section(self) -> _Section:
        section = _Section(self.at)
        line = self._line() or ""
        if line.startswith("diff --git "):
            section.pairs = self._pairs(line.removeprefix("diff --git "))
            self.at += 1
            self._extended(section)
        elif line.startswith("diff ") and self.lines[self.at + 1 : self.at + 2] and self._next().startswith("--- "):
            self.at += 1  # `diff -r …` or `diff -u …`: how GNU diff and Mercurial title a plain section
        line = self._line() or ""
        if line.startswith("--- "):
            section.old = self._name(line)
            self.at += 1
            line = self._line() or ""
            if not line.startswith("+++ "):
                raise self._refuse("malformed", "no +++ line follows the --- line")
            section.new = self._name(line)
            self.at += 1
            self._hunks(section)
        elif section.pairs is None:
            surplus = self.at > 0 and line[:1] in {" ", "+", "-"}
            raise self._refuse("counts" if surplus else "malformed", f"{line[:60]!r} is no part of a diff")
        return section

    def _next(self) -> str:
        return self.lines[self.at + 1]

    def _pairs(self, names: str) -> frozenset[tuple[str, str]]:
        """Return every way to read the two names of a ``diff --git`` line; blanks in names make it ambiguous."""
        found: set[tuple[str, str]] = set()
        if names.startswith('"'):
            old, rest = unquote_c(names)
            if rest.startswith(' "'):
                new, rest = unquote_c(rest[1:])
                found = {(old, new)} if not rest else set()
            elif rest.startswith(" "):
                found = {(old, rest[1:])}
        elif names.endswith('"') and ' "' in names:
            old, _, _ = names.partition(' "')
            new, rest = unquote_c(names[len(old) + 1 :])
            found = {(old, new)} if not rest else set()
        else:
            cuts = [cut.start() for cut in re.finditer(" b/", names)] if len(names) <= 2 * MAX_PATH_BYTES + 8 else []
            found = {(names[:cut], names[cut + 1 :]) for cut in cuts}
        found = {(old[2:], new[2:]) for old, new in found if old.startswith("a/") and new.startswith("b/")}
        if not found:
            raise self._refuse("names", "no a/… and b/… on the diff --git line")
        return frozenset(found)

    def _extended(self, section: _Section) -> None:
        """Read git's header lines."""
        while (line := self._line()) is not None:
            mode = _MODE.fullmatch(line)
            index = _INDEX.fullmatch(line)
            if mode:
                if mode[1] in section.modes:
                    raise self._refuse("malformed", f"a second {mode[1]!r} line")
                section.modes[mode[1]] = self._mode(mode[2])
            elif line.startswith(("rename from ", "rename to ")):
                key = line[: line.index(" ", len("rename "))]
                if key in section.rename:
                    raise self._refuse("malformed", f"a second {key!r} line")
                section.rename[key] = self._plain_name(line[len(key) + 1 :])
            elif index:
                self._mode(index[1] or "100644")
            elif line.startswith(("copy from ", "copy to ")):
                raise self._refuse("copy", "copies are refused: git would copy files from outside the tree")
            elif line.startswith(("Binary files ", "GIT binary patch")):
                raise self._refuse("binary", "binary patches are refused")
            elif not _SIMILARITY.fullmatch(line):
                return
            self.at += 1

    def _mode(self, mode: str) -> str:
        if mode in {"100644", "100755"}:
            return mode
        known = {"120000": ("link", "symbolic links are refused"), "160000": ("submodule", "submodules are refused")}
        reason, what = known.get(mode, ("mode", f"mode {mode[:12]} is none that a file can have"))
        raise self._refuse(reason, what)

    def _plain_name(self, text: str) -> str:
        if not text.startswith('"'):
            return text
        name, rest = unquote_c(text)
        if rest.strip():
            raise self._refuse("bad-path", f"{rest[:60]!r} behind a quoted path")
        return name

    def _name(self, line: str) -> str:
        text = line[4:]
        # behind a tab stands a time, or nothing where the name has blanks
        return self._plain_name(text) if text.startswith('"') else text.partition("\t")[0]

    def _hunks(self, section: _Section) -> None:
        delta, last = 0, 1
        while (line := self._line()) is not None and line.startswith("@@"):
            found = _HUNK.fullmatch(line)
            if found is None:
                raise self._refuse("malformed", f"{line[:60]!r} is no hunk header")
            start, count = int(found[1]), 1 if found[2] is None else int(found[2])
            new_start, new_count = int(found[3]), 1 if found[4] is None else int(found[4])
            # where a side is empty, diffs name the line before it
            first, new_first = start + (count == 0), new_start + (new_count == 0)
            if first < last or new_first != first + delta:
                raise self._refuse("counts", "the hunk's line numbers do not fit those before it")
            if section.blocks and not section.blocks[-1].search.endswith("\n") and section.blocks[-1].search:
                raise self._refuse("counts", "a hunk behind the end of the file")
            self.at += 1
            search, replace = self._body(count, new_count)
            if search == replace:
                raise self._refuse("malformed", "a hunk that changes nothing")
            section.blocks.append(Block(search=search, replace=replace, line=first))
            last, delta = first + count, delta + new_count - count
            self.hunks += 1
            if self.hunks > MAX_BLOCKS:
                raise _too_large(f"more than {MAX_BLOCKS} hunks")
        if not section.blocks:
            raise self._refuse("malformed", "no hunk follows the +++ line")

    def _body(self, count: int, new_count: int) -> tuple[str, str]:
        """Read the lines of a hunk; return its old and its new text."""
        sides: dict[str, list[str]] = {"-": [], "+": []}
        closed: set[str] = set()
        signs = ""
        while True:
            line = self._line()
            if line is not None and line.startswith("\\"):
                if line != _NO_END or not signs:
                    raise self._refuse("malformed", f"{line[:60]!r} stands in the wrong place")
                for sign in signs:
                    sides[sign][-1] = sides[sign][-1].removesuffix("\n")
                    closed.add(sign)
                signs = ""
            elif len(sides["-"]) == count and len(sides["+"]) == new_count:
                return "".join(sides["-"]), "".join(sides["+"])
            else:
                signs = self._side(line)
                if closed & set(signs):
                    raise self._refuse("malformed", "a line behind the end of the file")
                for sign in signs:
                    sides[sign].append((line or " ")[1:] + "\n")
                if len(sides["-"]) > count or len(sides["+"]) > new_count:
                    raise self._refuse("counts", "the hunk has more lines than its header says")
            self.at += 1

    def _side(self, line: str | None) -> str:
        # a context line that is empty may have lost its blank: GNU diff and git both write that on demand
        if line is not None and (line == "" or line[0] in " +-"):
            return line[0] if line[:1] in {"+", "-"} else "-+"
        raise self._refuse("counts", "the hunk has fewer lines than its header says")

    def _edits(self, section: _Section) -> list[FileEdit]:
        old, new = self._names(section)
        modes = section.modes
        created, deleted = "new file mode" in modes, "deleted file mode" in modes
        if section.pairs is None:
            created, deleted = section.old == _NULL, section.new == _NULL
        if ("old mode" in modes) != ("new mode" in modes) or len(modes) > 2 or created + deleted + len(modes) > 2:
            raise self._refuse("malformed", "file modes that contradict each other", section.line)
        if section.rename and (created or deleted):
            raise self._refuse("malformed", "a rename that creates or deletes", section.line)
        blocks = tuple(section.blocks)
        mode = modes.get("new file mode") or modes.get("new mode")
        executable = None if mode is None else mode == "100755"
        if created:
            return [self._creation(section, new, executable or None)]
        if deleted:
            if blocks and (len(blocks) > 1 or blocks[0].replace or blocks[0].line != 1):
                raise self._refuse("malformed", f"{old}: a deleted file keeps lines", section.line)
            removed: list[FileEdit] = [ReplaceBlocks(path=old, blocks=blocks)] if blocks else []
            return [*removed, DeleteFile(path=old)]
        moved: list[FileEdit] = [RenameFile(path=old, new_path=new)] if section.rename else []
        if not moved and not blocks and executable is None:
            raise self._refuse("malformed", f"{old}: nothing changes", section.line)
        changed = [ReplaceBlocks(path=new, blocks=blocks, executable=executable)] if blocks or modes else []
        return [*moved, *changed]

    def _creation(self, section: _Section, path: str, executable: bool | None) -> FileEdit:
        blocks = section.blocks or [Block(search="", replace="")]
        if len(blocks) > 1 or blocks[0].search or blocks[0].line not in {None, 1}:
            raise self._refuse("malformed", f"{path}: a new file has lines already", section.line)
        return ReplaceBlocks(
            path=path, blocks=(Block(search="", replace=blocks[0].replace),), executable=executable
        )  # fmt: skip

    def _names(self, section: _Section) -> tuple[str, str]:
        """Return the checked old and new path on which all the section's lines agree."""
        if section.pairs is None:
            old, new = self._plain_pair(section)
        elif section.rename:
            if len(section.rename) != 2:
                raise self._refuse("malformed", "half of a rename", section.line)
            old, new = section.rename["rename from"], section.rename["rename to"]
            if old == new or (old, new) not in section.pairs:
                raise self._refuse("names", "the names of the rename disagree", section.line)
        else:
            same = [old for old, new in section.pairs if old == new]
            if len(same) != 1:
                raise self._refuse("names", "two names and no rename", section.line)
            old = new = same[0]
        if section.pairs is not None and section.old is not None:
            created, deleted = "new file mode" in section.modes, "deleted file mode" in section.modes
            expected = (_NULL if created else f"a/{old}", _NULL if deleted else f"b/{new}")
            if (section.old, section.new) != expected:
                raise self._refuse("names", "the --- and +++ lines name something else", section.line)
        return check_path(old), check_path(new)

    def _plain_pair(self, section: _Section) -> tuple[str, str]:
        old, new = section.old or "", section.new or ""
        if _NULL in {old, new}:
            if old == new:
                raise self._refuse("names", "/dev/null on both sides", section.line)
            name = new if old == _NULL else old
            name = name.removeprefix("b/" if old == _NULL else "a/")
            return name, name
        if old.startswith("a/") and new.startswith("b/"):
            old, new = old[2:], new[2:]
        if old != new:
            raise self._refuse("names", f"{old[:60]!r} and {new[:60]!r} are two files", section.line)
        return old, new


def _in_turn(renames: list[list[FileEdit]]) -> list[list[FileEdit]]:
    """Order renames so that each finds its new place free: whatever stood there, or on the way, has left before.

    Renames in a circle stay as they are; applying the first of them then says what is in the way.
    """
    ordered: list[list[FileEdit]] = []
    waiting = list(renames)
    while waiting:
        free = [edits for edits in waiting if not any(_blocks(other, edits) for other in waiting if other is not edits)]
        ordered += free or waiting
        waiting = [edits for edits in waiting if edits not in free] if free else []
    return ordered


def _blocks(other: list[FileEdit], edits: list[FileEdit]) -> bool:
    """Whether the file that ``other`` moves away lies at, above or below the new place of ``edits``."""
    source, moved = other[0].path, edits[0]
    assert isinstance(moved, RenameFile)
    target = moved.new_path
    return source == target or source.startswith(f"{target}/") or target.startswith(f"{source}/")
