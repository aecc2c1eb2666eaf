"""What is asked, and what is shown with it."""

from dataclasses import dataclass

from greenloop.prompts.tokens import estimate_tokens
from greenloop.records import Diagnostic, TreeId


@dataclass(frozen=True, slots=True)
class Place:
    """Where the person is: the cursor's line, or the lines that are selected, both ends included, from 1."""

    path: str
    first_line: int
    last_line: int


@dataclass(frozen=True, slots=True)
class RecentEdit:
    """What the person changed a moment ago in one file, as a unified diff; see ``prompts.recent``."""

    path: str
    diff: str


@dataclass(frozen=True, slots=True)
class Question:
    """A person's words about a tree. ``diagnostics`` is what the toolchain said of it, in its order.

    ``focus`` names the files that the person is looking at, most important first, and ``place`` the spot; paths outside
    the tree are refused. ``recent`` is what the person did before, newest first.
    """

    tree: TreeId
    prompt: str
    diagnostics: tuple[Diagnostic, ...] = ()
    focus: tuple[str, ...] = ()
    place: Place | None = None
    recent: tuple[RecentEdit, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole neighbouring lines of one file, verbatim. ``first_line`` counts from 1.

    ``file_lines`` is how many lines the file has, so that a reader knows what is left out.
    """

    path: str
    first_line: int
    text: str
    file_lines: int

    @property
    def tokens(self) -> int:
        """An estimate of its tokens, without header and fences."""
        return estimate_tokens(self.text)

    @property
    def last_line(self) -> int:
        """The last line shown."""
        return self.first_line + max(1, self.text.count("\n") + (not self.text.endswith("\n"))) - 1

    @property
    def whole(self) -> bool:
        """Whether the piece is its whole file."""
        return self.first_line == 1 and self.last_line >= self.file_lines


@dataclass(frozen=True, slots=True)
class ShownError:
    """One diagnostic and the text that shows it, much as the compiler prints it."""

    diagnostic: Diagnostic
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A text beside the code, such as a map of the repository. ``title`` is a line of ours, ``text`` is data."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What a plug-in chose, and why. ``path`` and lines are those of code; else ``what`` names it (``an error``).

    ``tokens`` is how many tokens dearer the context became by it, as estimated.
    """

    plugin: str
    why: str
    tokens: int
    what: str = ""
    path: str = ""
    first_line: int = 0
    last_line: int = 0

    @property
    def name(self) -> str:
        """It in words."""
        return f"{self.path}, lines {self.first_line} to {self.last_line}" if self.path else self.what


@dataclass(frozen=True, slots=True)
class Context:
    """What a model is shown besides the person's words. Pieces of one file stand together, in the file's order.

    ``tokens`` estimates all of it as rendered, and is at most the budget that it was gathered for. ``tree_paths``
    are all files of the tree, so that a reply cannot overwrite what it has not seen. ``choices`` tells what was chosen
    by whom and why, in the order of choosing; ``left_out`` what a plug-in wanted and found no room for.
    """

    pieces: tuple[Piece, ...]
    errors: tuple[ShownError, ...]
    tokens: int
    tree_paths: frozenset[str]
    notes: tuple[Note, ...] = ()
    choices: tuple[Choice, ...] = ()
    left_out: tuple[Choice, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that are shown, each once, in order."""
        return tuple(dict.fromkeys(piece.path for piece in self.pieces))
