"""The texts of an edit and of the files that it touches, as rules that compare or search them need them."""

from greenloop.records import DeleteFile, Edit, Example, RenameFile, ReplaceBlocks
from greenloop.workspace.store import Mode, TreeStore


def edit_text(edit: Edit) -> str:
    """Return what ``edit`` takes away and what it puts there, without paths: the same change elsewhere is the same."""
    parts: list[str] = []
    for file in edit.files:
        if isinstance(file, ReplaceBlocks):
            parts += [text for block in file.blocks for text in (block.search, block.replace)]
        elif isinstance(file, DeleteFile):
            parts.append(f"delete {file.path}")
        elif isinstance(file, RenameFile):
            parts.append(f"rename {file.path} {file.new_path}")
        else:
            parts.append(file.content)
    return "\n".join(parts)


def touched(store: TreeStore, example: Example) -> dict[tuple[str, str], bytes]:
    """Return (side, path) → content of the files that the edit touches, before (``base``) and after (``target``)."""
    found = {}
    for side, tree in (("base", example.base), ("target", example.target)):
        for path in example.edit.paths:
            entry = store.entry(tree, path)
            if entry is not None and entry.mode is not Mode.LINK:
                found[side, path] = store.read_blob(entry.blob)
    return found
