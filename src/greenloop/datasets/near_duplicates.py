"""The rule against near-duplicates: of examples that ask nearly the same and answer nearly the same, one stays.

What is compared is all that a model sees and gives: the code, the errors, the person's words, the edit. The edits
alone must be alike too, by half of that: a file of a thousand lines that was broken in ten places is ten examples,
though their code is nearly the same. Half, because an edit is short, and one other token in it breaks five runs of
five. In 178 examples of 12 students 7 of 15,753 pairs are at 0.8 or more by all of it: of three, whose edits alone are
at 0.43 or more, one repeats the other; four, at 0.37 or less, are other mistakes in the same code.
"""

from collections.abc import Mapping, Sequence

from greenloop.datasets.groups import Leaders
from greenloop.datasets.near import NearIndex, Shingles, jaccard, shingles
from greenloop.datasets.rule import Rendered
from greenloop.datasets.texts import edit_text

EDITS_SHARE = 0.5
"""How much of the threshold the edits alone must reach."""


NAME = "near-duplicate of another example"


def alike(one: Shingles, other: Shingles, threshold: float) -> bool:
    """Whether two edits are alike enough for their examples, which are near each other, to be near-duplicates."""
    return jaccard(one, other) >= EDITS_SHARE * threshold


class NearDuplicates:
    """Drops all but the first in time of each cluster; what is near something near is in the same cluster."""

    name = NAME

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold

    def drops(self, examples: Sequence[Rendered]) -> Mapping[str, str]:
        """Return the ids that stand behind another of their cluster."""
        clusters = Leaders(one.example.id for one in examples)
        index = NearIndex(self._threshold)
        edits = {}
        for one in examples:
            id_ = one.example.id
            edits[id_] = shingles(edit_text(one.example.edit))
            shown = shingles(one.text)
            for near in index.near(shown):
                other = str(near.key)
                # who is in the cluster already need not be compared: a cluster of thousands stays quick
                together = clusters.of(id_) == clusters.of(other)
                if not together and alike(edits[id_], edits[other], self._threshold):
                    clusters.join(id_, other)
            index.add(id_, shown)
        # examples come in the order of time, and a leader is the first of its cluster
        return {
            one.example.id: f"near {clusters.of(one.example.id)}"
            for one in examples
            if clusters.of(one.example.id) != one.example.id
        }
