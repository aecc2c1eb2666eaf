"""An edit: what takes one tree to another.

Paths are relative to the tree, use forward slashes, and never name ``.`` , ``..``, ``.git`` or ``.hg``;
``workspace.edits`` enforces that, and applies edits. Text is matched by whole lines.
"""

from typing import Annotated, Literal

from pydantic import Field

from greenloop.records.base import Part, Record


class Block(Part):
    """Replace the lines ``search`` by the lines ``replace``. Both keep their line ends.

    ``line`` (from 1) is where ``search`` starts when that is known, as in a unified diff; without it
    ``search`` must occur exactly once. An empty ``search`` inserts before ``line``.
    """

    search: str
    replace: str
    line: int | None = Field(default=None, ge=1)


class ReplaceBlocks(Part):
    """Change parts of an existing text file; the blocks do not overlap.

    One block whose ``search`` is empty and that has no ``line`` creates the file, which must not exist or be
    empty. ``executable`` is kept as it was when ``None``; with no blocks it is all that changes.
    """

    kind: Literal["replace"] = "replace"
    path: str
    blocks: tuple[Block, ...]
    executable: bool | None = None


class WriteFile(Part):
    """Create a text file, or replace one whole. ``executable`` is kept as it was when ``None``."""

    kind: Literal["write"] = "write"
    path: str
    content: str
    executable: bool | None = None


class DeleteFile(Part):
    """Delete a file."""

    kind: Literal["delete"] = "delete"
    path: str


class RenameFile(Part):
    """Move a file, keeping its content and mode; ``new_path`` must not exist."""

    kind: Literal["rename"] = "rename"
    path: str
    new_path: str


FileEdit = Annotated[ReplaceBlocks | WriteFile | DeleteFile | RenameFile, Field(discriminator="kind")]


class Edit(Record):
    """Changes to any number of files, applied all or none, in order."""

    files: tuple[FileEdit, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that the edit reads or writes, sorted, each once."""
        named = {file.path for file in self.files}
        named |= {file.new_path for file in self.files if isinstance(file, RenameFile)}
        return tuple(sorted(named))
