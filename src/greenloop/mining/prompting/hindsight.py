"""Words that only the new code has: whoever asks for a change cannot know them."""

from collections.abc import Iterable

from greenloop.mining.changed import ChangedFile, words
from greenloop.records import Diagnostic


def hindsight(diagnostics: Iterable[Diagnostic], files: Iterable[ChangedFile]) -> frozenset[str]:
    """Return the words that the new code holds and neither the old code nor the diagnostics do."""
    known: set[bytes] = set()
    fresh: set[bytes] = set()
    for file in files:
        known |= file.old_words | words(file.path.encode("utf-8", "replace"))
        fresh |= file.new_words
    for diagnostic in diagnostics:
        known |= words(diagnostic.message.encode("utf-8", "replace"))
    return frozenset(word.decode("utf-8", "replace") for word in fresh - known)


def leaks(prompt: str, hidden: frozenset[str]) -> bool:
    """Whether ``prompt`` has one of the ``hidden`` words."""
    spoken = words(prompt.encode("utf-8", "replace"))
    return any(word.encode("utf-8", "replace") in spoken for word in hidden)
