"""Near texts are found, whatever the order; far ones are not."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.datasets.near import NearIndex, jaccard, shingles
from greenloop.records import InputError


@pytest.mark.parametrize(
    ("one", "other", "index"),
    [
        ("let x = 1 + 2", "let   x =\n  1 + 2", 1.0),
        ("a b c d e", "a b c d f", 0.0),
        ("a b c d e f", "a b c d e g", 1 / 3),
        ("a b", "a b", 1.0),
        ("a b", "a c", 0.0),
        ("", "", 0.0),
        ("a b c d e a b c d e", "a b c d e a b c d e a b c d e", 1.0),
    ],
)
def test_similarity_is_the_share_of_common_runs_of_five_tokens(one: str, other: str, index: float) -> None:
    assert jaccard(shingles(one), shingles(other)) == pytest.approx(index)


TEXTS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=30).map(" ".join), min_size=2, max_size=12, unique=True)


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.sampled_from([0.5, 0.7, 0.8, 1.0]))
def test_the_index_finds_what_comparing_all_pairs_finds(texts: list[str], threshold: float) -> None:
    index = NearIndex(threshold)
    for number, text in enumerate(texts):
        index.add(number, shingles(text))
    for text in texts:
        wanted = {n for n, other in enumerate(texts) if jaccard(shingles(text), shingles(other)) >= threshold}
        assert {near.key for near in index.near(shingles(text))} == wanted


def test_pairs_at_the_threshold_are_not_missed() -> None:
    """200 pairs of long texts whose index is 0.8 to 0.83: a search by bands that were too strict would lose some."""
    missed = 0
    for seed in range(200):
        drawn = random.Random(seed)
        words = [str(drawn.randrange(10**6)) for _ in range(300)]
        changed = list(words)
        # each of six changed words takes five runs on either side
        for place in range(25, 275, 42):
            changed[place] = "x"
        one, other = shingles(" ".join(words)), shingles(" ".join(changed))
        assert 0.8 <= jaccard(one, other) < 0.83
        index = NearIndex(0.8)
        index.add("one", one)
        missed += not index.near(other)
    assert missed == 0


@pytest.mark.parametrize("threshold", [0.0, 0.29, 1.01, float("nan")])
def test_a_threshold_that_tells_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(InputError, match="near-duplicates"):
        NearIndex(threshold)
