"""Near-duplicates that may train after all: nobody is scored on them, and more of a kind is more to learn from.

A person who breaks the same line three times in a row leaves three examples that are nearly the same. To score on all
three would count one task three times, and to train on one and score on another would leak. To train on all three does
neither. So a near-duplicate stays in ``train`` if its author is there and nothing that is held out is near it.
"""

from collections.abc import Iterable, Mapping, Sequence

from greenloop.datasets.near import NearIndex, shingles
from greenloop.datasets.near_duplicates import alike
from greenloop.datasets.rule import Rendered
from greenloop.datasets.split import Split
from greenloop.datasets.texts import edit_text
from greenloop.records import Example


def training_repeats(
    repeats: Iterable[Rendered], parts: Mapping[Split, Sequence[Example]], held_out: Iterable[Rendered], near: float
) -> tuple[Rendered, ...]:
    """Return those of ``repeats`` that may train, in their order.

    ``parts`` are the parts of a split by author; ``held_out`` are the examples of all but the training part; ``near``
    is the Jaccard index from which two are near-duplicates.
    """
    authors = {one.author for one in parts[Split.TRAIN]}
    index, edits = NearIndex(near), {}
    for one in held_out:
        edits[one.example.id] = shingles(edit_text(one.example.edit))
        index.add(one.example.id, shingles(one.text))
    return tuple(
        one
        for one in repeats
        if one.example.author in authors
        and not any(
            alike(shingles(edit_text(one.example.edit)), edits[str(found.key)], near)
            for found in index.near(shingles(one.text))
        )
    )
