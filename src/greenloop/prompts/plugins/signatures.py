"""The interfaces of what the definition around the spot uses."""

from pathlib import PurePosixPath

from greenloop.prompts.plugins.modules import MAX_NAMED, WORD, module_files
from greenloop.prompts.plugins.seam import Anchor, Desk
from greenloop.workspace.syntax import Language, identifiers


class Signatures:
    """The ``.mli`` of the spot's file, and of the modules that the definition names: whole, or what is used of them.

    Interfaces are those in the tree: of a library outside it nothing is known here.
    """

    def choose(self, desk: Desk) -> None:
        """Choose one module after the other, the file's own first."""
        anchor = desk.anchor
        if anchor is None:
            return
        for module, names in list(_used(anchor).items())[:MAX_NAMED]:
            file = next(module_files(desk, anchor, module), None)
            why = f"{module} is used in the definition"
            if file is None or (file.path.endswith(".mli") and desk.draft.add_lines(file, 1, len(file.lines), why)):
                continue
            for item in file.items:
                if not set(item.names).isdisjoint(names):
                    desk.draft.add_lines(file, item.first_line, item.last_line, f"{why}: {item.name}")


def _used(anchor: Anchor) -> dict[str, list[str]]:
    """Module → the names that are used of it, the file's own module first."""
    used: dict[str, list[str]] = {}
    if anchor.file.language is not Language.OCAML:
        return used
    text = anchor.file.text(anchor.item.first_line, anchor.item.last_line) if anchor.item else ""
    own = PurePosixPath(anchor.file.path).stem
    used[own[:1].upper() + own[1:]] = list(anchor.item.names) if anchor.item else []
    spelled = identifiers(text.encode("utf-8", "replace"), anchor.file.language)
    for module, name in WORD.findall(text):
        if name[:1].isupper() and name in spelled:
            used.setdefault(name, [])
        if module in spelled:
            used.setdefault(module, []).append(name)
    return used
