"""The rules against secrets: in an edit, in what is shown, and anywhere else in the trees that travel along.

An example that would carry a secret is dropped, never scrubbed: its verdicts are about the trees as they were, its
SEARCH lines must be found in them, and the dataset's pack holds them whole. A text with holes would be a third version
that nobody built. The recorder stops secrets before; these rules are for histories that came in another way, and for
secrets whose shape was not known then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from greenloop.datasets.rule import Rendered, Rule
from greenloop.datasets.texts import edit_text, touched
from greenloop.records import BlobId, Example
from greenloop.workspace.store import Mode, TreeStore

Screen = Callable[[str, bytes], str | None]
"""Says why a file of this path and content must not be kept, or ``None``: a ``snapshots.secrets.Screen``."""


def secret_rules(store: TreeStore, screen: Screen) -> tuple[Rule, ...]:
    """Return the rules in order; they share what they remember of files."""
    files = _Files(store, screen)
    return (
        _Leak("a secret in its edit", lambda one: _in_edit(files, one)),
        _Leak("a secret in what is shown", lambda one: _in_shown(files, one)),
        _Leak("a secret elsewhere in its trees", lambda one: files.of_trees(one.example)),
    )


@dataclass(frozen=True, slots=True)
class _Leak:
    name: str
    found: Callable[[Rendered], str | None]

    def drops(self, examples: Sequence[Rendered]) -> Mapping[str, str]:
        reasons = {one.example.id: self.found(one) for one in examples}
        return {id_: reason for id_, reason in reasons.items() if reason is not None}


class _Files:
    """Asks once of each file, whatever trees hold it."""

    def __init__(self, store: TreeStore, screen: Screen) -> None:
        self.store = store
        self.screen = screen
        self._reasons: dict[tuple[str, BlobId], str | None] = {}
        self._clean: set[tuple[str, BlobId]] = set()

    def reason(self, path: str, blob: BlobId) -> str | None:
        """Return what is secret in a file, as ``PATH: REASON``."""
        if (path, blob) not in self._reasons:
            said = self.screen(path, self.store.read_blob(blob))
            self._reasons[path, blob] = None if said is None else f"{path}: {said}"
        return self._reasons[path, blob]

    def of_trees(self, example: Example) -> str | None:
        """Return the first secret in any file of either tree."""
        for tree in (example.base, example.target):
            held = {(path, one.blob) for path, one in self.store.files(tree).items() if one.mode is not Mode.LINK}
            for path, blob in sorted(held - self._clean):
                reason = self.reason(path, blob)
                if reason is not None:
                    return reason
                self._clean.add((path, blob))
        return None


def _in_edit(files: _Files, one: Rendered) -> str | None:
    """A secret that the edit spells, or that its file has only after it."""
    example = one.example
    path = next(iter(example.edit.paths), "")
    said = files.screen(path, edit_text(example.edit).encode("utf-8", "replace"))
    if said is not None:
        return f"{path}: {said}"
    sides = touched(files.store, example)
    for (side, path), content in sides.items():
        if side == "target" and files.screen(path, content) is not None:
            before = sides.get(("base", path))
            if before is None or files.screen(path, before) is None:
                return f"{path}: {files.screen(path, content)}"
    return None


def _in_shown(files: _Files, one: Rendered) -> str | None:
    """A secret in a base file that is shown or touched, or in any text of the messages or of the description."""
    for path in dict.fromkeys((*one.shown, *one.example.edit.paths)):
        entry = files.store.entry(one.example.base, path)
        if entry is not None and entry.mode is not Mode.LINK:
            reason = files.reason(path, entry.blob)
            if reason is not None:
                return reason
    # what a compiler says may quote another file, and not all that it said need be shown
    said = (message.content for message in one.messages)
    diagnostics = (diagnostic.message for diagnostic in one.example.diagnostics)
    text = "\n".join([*said, one.example.description, *diagnostics])
    found = files.screen("", text.encode("utf-8", "replace"))
    return None if found is None else f"the messages: {found}"
