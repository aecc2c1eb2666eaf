"""What a word may be a form of."""

import pytest

from greenloop.mining.commits.verbs import imperative
from greenloop.mining.inflection import bases
from greenloop.mining.prompting.vocabulary import stems


@pytest.mark.parametrize(
    ("word", "ending", "expected"),
    [
        ("removing", "ing", ("remov", "remove")),
        ("tried", "ed", ("tri", "trie", "try")),
        ("dropped", "ed", ("dropp", "droppe", "drop")),
        ("fixes", "es", ("fix", "fixe")),
        ("does", "es", ("do", "doe")),
        ("is", "s", ()),
        ("fix", "ed", ()),
        ("", "s", ()),
    ],
)
def test_bases(word: str, ending: str, expected: tuple[str, ...]) -> None:
    assert bases(word, ending) == expected


@pytest.mark.parametrize(
    ("word", "base"), [("Copies", "copy"), ("stopped", "stop"), ("reusing", "reuse"), ("adds", "add"), ("parser", "")]
)
def test_a_verb_is_turned_into_its_imperative_and_known_by_its_stems(word: str, base: str) -> None:
    assert imperative(word) == base
    assert not base or base in stems(word)
