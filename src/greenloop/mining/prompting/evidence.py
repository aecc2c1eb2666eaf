"""What an example holds: all that words about it may lean on."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from greenloop.mining.changed import ChangedFile, words
from greenloop.mining.describe import CLASSES
from greenloop.mining.prompting.hindsight import hindsight
from greenloop.prompts.retrieval.words import words_of
from greenloop.records import Category, Diagnostic, Severity

_NUMBER = re.compile(r"\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Words and identifiers in lower case, whole and split; numbers as they are spelled; paths and names of files.

    ``hidden`` are the words that only the new code has, in lower case; ``others`` names the classes of error that the
    example's is not.
    """

    spelled: frozenset[str]
    numbers: frozenset[str]
    paths: frozenset[str]
    hidden: frozenset[str]
    others: tuple[str, ...]


def evidence(
    category: Category,
    diagnostics: Iterable[Diagnostic],
    files: Iterable[ChangedFile],
    shown: Iterable[tuple[str, str]],
) -> Evidence:
    """Return what the edit of ``files``, the diagnostics and the context hold; ``shown`` is its (path, text) pairs."""
    said, changed, seen = tuple(diagnostics), tuple(files), tuple(shown)
    paths = {file.path for file in changed} | {path for path, _ in seen} | {one.path for one in said if one.path}
    texts = [side.decode("utf-8", "replace") for file in changed for side in (file.old, file.new) if side is not None]
    texts += [text for _, text in seen] + [one.message for one in said] + sorted(paths)
    texts += [CLASSES[category]] if any(one.severity is Severity.ERROR for one in said) else []
    everything = "\n".join(texts)
    whole = {word.decode("utf-8", "replace").lower() for word in words(everything.encode("utf-8", "replace"))}
    return Evidence(
        spelled=frozenset(whole | words_of(everything)),
        numbers=frozenset(_NUMBER.findall("\n".join(texts))),
        paths=frozenset(paths | {path.rpartition("/")[2] for path in paths}),
        hidden=frozenset(word.lower() for word in hindsight(said, changed)),
        others=tuple(
            text.partition(" ")[2] for one, text in CLASSES.items() if one is not category and " " in text[3:]
        ),
    )
