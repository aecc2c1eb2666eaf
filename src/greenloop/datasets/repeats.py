"""What may train though nobody is scored on it: near-duplicates, and examples that were made for training.

A person who breaks the same line three times in a row leaves three examples that are nearly the same. To score on all
three would count one task three times, and to train on one and score on another would leak. To train on all three does
neither. So it may train if its author is not held out and nothing that is held out is near it. The same holds for
synthetic examples: they are made of somebody's code, and carry the name of whose it is.
"""

from collections.abc import Mapping, Sequence

from greenloop.datasets.near import NearIndex, shingles
from greenloop.datasets.near_duplicates import alike
from greenloop.datasets.rule import Rendered
from greenloop.datasets.texts import edit_text


class OnlyTraining:
    """Drops what may not even train: see above. ``near`` is the Jaccard index from which two are near-duplicates."""

    name = "by a person who is held out, or near what is"

    def __init__(self, held_out: Sequence[Rendered], near: float) -> None:
        self._near = near
        self._authors = {one.example.author for one in held_out}
        self._index = NearIndex(near)
        self._edits = {}
        for one in held_out:
            self._edits[one.example.id] = shingles(edit_text(one.example.edit))
            self._index.add(one.example.id, shingles(one.text))

    def drops(self, examples: Sequence[Rendered]) -> Mapping[str, str]:
        """Return the ids of those, with the person or the example that is held out."""
        reasons = {one.example.id: self._reason(one) for one in examples}
        return {id_: reason for id_, reason in reasons.items() if reason}

    def _reason(self, one: Rendered) -> str:
        if one.example.author in self._authors:
            return f"{one.example.author} is held out"
        edit = shingles(edit_text(one.example.edit))
        close = (str(found.key) for found in self._index.near(shingles(one.text)))
        return next((f"near {id_}" for id_ in close if alike(edit, self._edits[id_], self._near)), "")
