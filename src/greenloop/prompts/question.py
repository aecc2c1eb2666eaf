"""What is asked, and what is shown with it."""

from dataclasses import dataclass

from greenloop.prompts.tokens import estimate_tokens
from greenloop.records import Diagnostic, TreeId


@dataclass(frozen=True, slots=True)
class Question:
    """A person's words about a tree. ``diagnostics`` is what the toolchain said of it, in its order.

    ``focus`` names the files that the person is looking at, most important first; paths outside the tree are refused.
    """

    tree: TreeId
    prompt: str
    diagnostics: tuple[Diagnostic, ...] = ()
    focus: tuple[str, ...] = ()


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
class Context:
    """What a model is shown besides the person's words. Pieces of one file stand together, in the file's order.

    ``tokens`` estimates all of it as rendered, and is at most the budget that it was gathered for. ``tree_paths``
    are all files of the tree, so that a reply cannot overwrite what it has not seen.
    """

    pieces: tuple[Piece, ...]
    errors: tuple[ShownError, ...]
    tokens: int
    tree_paths: frozenset[str]

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that are shown, each once, in order."""
        return tuple(dict.fromkeys(piece.path for piece in self.pieces))
