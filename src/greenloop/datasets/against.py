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
        reason = self._edits.like(edit_text(example.edit))
        if reason is not None:
            return f"its edit {reason}"
        for (side, path), content in touched(self._store, example).items():
            reason = self._files.like(content.decode("utf-8", "replace"))
            if reason is not None:
                return f"{path} {'before' if side == 'base' else 'after'} its edit {reason}"
        return None


class _Texts:
    def __init__(self, texts: Sequence[tuple[str, str]], threshold: float) -> None:
        self._exact: dict[str, str] = {}
        self._index = NearIndex(threshold)
        for number, (where, text) in enumerate(texts):
            if text not in self._exact:
                self._exact[text] = where
                self._index.add((number, where), shingles(text))

    def like(self, text: str) -> str | None:
        """Return how ``text`` is held, or ``None``."""
        if text in self._exact:
            return f"is {self._exact[text]}" if text.strip() else None
        near = self._index.near(shingles(text))
        if not near:
            return None
        assert isinstance(near[0].key, tuple), "keys are (number, where)"
        return f"is near {near[0].key[1]} (Jaccard {near[0].similarity:.2f})"
