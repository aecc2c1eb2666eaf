"""Unsaved buffers laid over a tree: what the project would be if everything were saved now."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from greenloop.records import EditError, TreeId
from greenloop.workspace.edits.paths import check_path
from greenloop.workspace.edits.text import encode_text
from greenloop.workspace.store import Entry, Mode, TreeStore
from greenloop.workspace.vcs.one_file import Screen


@dataclass(frozen=True, slots=True)
class Overlaid:
    """The tree with the buffers in it, and the buffers that are no part of it, each with the reason."""

    tree: TreeId
    left_out: tuple[tuple[str, str], ...] = ()


def lay_over(
    store: TreeStore, tree: TreeId, buffers: Mapping[str, str | None], root: Path, screen: Screen | None = None
) -> Overlaid:
    """Return ``tree``, which is what ``root`` holds, with ``buffers`` (path → text; ``None``: deleted) over it.

    A buffer of a file that is on the disk but not in the tree (ignored, too large, secret) is left out: a build does
    not see the file either. So is one that ``screen`` does not let be stored: the tree keeps what the disk has. A
    buffer of a file that is nowhere yet is a new file.

    Raises ``EditError`` when a path leads outside the tree, into version control or through a link (the reasons of
    ``check_path`` and ``link``), or a text is none.
    """
    changes: dict[str, Entry | None] = {}
    left_out: list[tuple[str, str]] = []
    for path, text in buffers.items():
        check_path(path)
        refuse_links(store, tree, path, root)
        old = store.entry(tree, path)
        if old is None and (root / path).exists():
            left_out.append((path, "it is no part of the project's tree: ignored, too large, or held back as a secret"))
        elif text is not None and screen is not None and (why := screen(path, encode_text(text, path))):
            left_out.append((path, why))
        elif text is not None:
            mode = old.mode if old is not None else Mode.FILE
            changes[path] = Entry(mode, store.write_blob(encode_text(text, path)))
        elif old is not None:
            changes[path] = None
    return Overlaid(store.update(tree, changes) if changes else tree, tuple(left_out))


def refuse_links(store: TreeStore, tree: TreeId, path: str, root: Path) -> None:
    """Raise ``EditError`` when a step of the path is a link, in the tree or on the disk."""
    steps = [path[:at] for at, char in enumerate(path) if char == "/"] + [path]
    for step in steps:
        entry = store.entry(tree, step)
        if (entry is not None and entry.mode is Mode.LINK) or (root / step).is_symlink():
            raise EditError(f"{path}: leads through the symbolic link {step}", "name the real file", reason="link")
