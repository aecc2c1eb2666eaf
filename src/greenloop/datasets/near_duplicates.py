"""The rule against near-duplicates: of examples that ask nearly the same and answer nearly the same, one stays.

Both must be near: what the model is shown (code, errors, the person's words), and the edit. Two repairs of one file in
an hour are shown nearly the same code, and the same slip is repaired in a hundred files; neither repeats the other.
"""

from collections.abc import Mapping, Sequence

from greenloop.datasets.groups import Leaders
from greenloop.datasets.near import NearIndex, jaccard, shingles
from greenloop.datasets.rule import Rendered
from greenloop.datasets.texts import edit_text


class NearDuplicates:
    """Drops all but the first in time of each cluster; what is near something near is in the same cluster."""

    name = "near-duplicate of another example"

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
            shown = shingles(f"{one.question}\n{one.reply}")
            for near in index.near(shown):
                other = str(near.key)
                # who is in the cluster already need not be compared: a cluster of thousands stays quick
                together = clusters.of(id_) == clusters.of(other)
                if not together and jaccard(edits[id_], edits[other]) >= self._threshold:
                    clusters.join(id_, other)
            index.add(id_, shown)
        # examples come in the order of time, and a leader is the first of its cluster
        return {
            one.example.id: f"near {clusters.of(one.example.id)}"
            for one in examples
            if clusters.of(one.example.id) != one.example.id
        }
