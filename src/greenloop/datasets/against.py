"""The rule of decontamination: what stands in an evaluation set, or nearly does, is trained on by nobody.

Compared are the edits, and the files that the edits touch, before and after. A file of the same repository that no
edit touches does not count: a team's evaluation set is often of its own code.
"""

from collections.abc import Mapping, Sequence

from greenloop.datasets.evaluation_set import EvaluationSet
from greenloop.datasets.near import NearIndex, shingles
from greenloop.datasets.rule import Rendered
from greenloop.datasets.texts import edit_text, touched
from greenloop.records import Example
from greenloop.workspace.store import TreeStore


class Against:
    """Drops examples whose edit, or a file that it touches, is in ``known`` exactly or nearly."""

    def __init__(self, known: EvaluationSet, store: TreeStore, threshold: float) -> None:
        self._known = known
        self._store = store
        self._files = _Texts([(one.where, one.text) for one in known.held if one.file], threshold)
        self._edits = _Texts([(one.where, one.text) for one in known.held if one.edit], threshold)

    @property
    def name(self) -> str:
        """The step of the funnel: the set's name and digest, for two sets may share a name."""
        return f"in {self._known.name} ({self._known.digest[:8]}), or nearly"

    def drops(self, examples: Sequence[Rendered]) -> Mapping[str, str]:
        """Return the contaminated examples, and what each has in common with the set."""
        found = {one.example.id: self._same(one.example) for one in examples}
        return {id_: reason for id_, reason in found.items() if reason is not None}

    def _same(self, example: Example) -> str | None:
        files = [
            (f"{path} {'before' if side == 'base' else 'after'} its edit", content.decode("utf-8", "replace"))
            for (side, path), content in touched(self._store, example).items()
        ]
        looks = [
            ("its edit", edit_text(example.edit), self._edits),
            *((what, text, self._files) for what, text in files),
        ]
        # all are looked up before any is measured: what is the same says more than what is near
        for what, text, held in looks:
            where = held.same(text)
            if where is not None:
                return f"{what} is {where}"
        for what, text, held in looks:
            where = held.near(text)
            if where is not None:
                return f"{what} is near {where}"
        return None


class _Texts:
    def __init__(self, texts: Sequence[tuple[str, str]], threshold: float) -> None:
        self._exact: dict[str, str] = {}
        for where, text in texts:
            if text.strip():
                self._exact.setdefault(text, where)
        self._index = NearIndex(threshold)
        for text in self._exact:
            self._index.add(text, shingles(text))

    def same(self, text: str) -> str | None:
        """Return where exactly ``text`` is held."""
        return self._exact.get(text)

    def near(self, text: str) -> str | None:
        """Return where a text near ``text`` is held, the nearest, and how near."""
        found = self._index.near(shingles(text))
        return f"{self._exact[str(found[0].key)]} (Jaccard {found[0].similarity:.2f})" if found else None
