"""What stands in a file nearest to lines that were not found, so that the next attempt can do better."""

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

MAX_SHOWN = 12
"""Lines shown at most."""
MAX_COMPARED = 4_000
"""Characters of each region that difflib compares; with five regions, a few milliseconds."""
_WORDS = re.compile(r"\w+")


def nearest_region(lines: Sequence[str], search: Sequence[str]) -> str:
    """Return a sentence that shows the lines most like ``search``, with their numbers; linear in the file."""
    if not lines:
        return "the file is empty"
    starts = _candidates(lines, search)
    if not starts:
        return "nothing in the file is like them"
    wanted = "".join(line.strip() + "\n" for line in search)[:MAX_COMPARED]

    def likeness(start: int) -> float:
        region = "".join(line.strip() + "\n" for line in lines[start : start + len(search)])[:MAX_COMPARED]
        return SequenceMatcher(None, wanted, region, autojunk=True).ratio()

    best = max(starts, key=likeness)
    end = min(best + min(len(search), MAX_SHOWN), len(lines))
    shown = "".join(f"\n{number + 1}: {lines[number].rstrip()[:200]}" for number in range(best, end))
    return f"the nearest lines are{shown}"


def _candidates(lines: Sequence[str], search: Sequence[str]) -> list[int]:
    """Return up to five places to start at, by how many whole lines, else how many words, fit."""
    offsets: dict[str, list[int]] = {}
    for number, line in enumerate(search):
        if line.strip():
            offsets.setdefault(line.strip(), []).append(number)
    votes: Counter[int] = Counter()
    for number, line in enumerate(lines):
        # a line that repeats in the search votes once, so that the cost stays linear
        for offset in offsets.get(line.strip(), ())[:1]:
            votes[max(0, number - offset)] += 1
    words = {word: offset for offset, line in enumerate(search) for word in _WORDS.findall(line)}
    if not votes:
        frequency = Counter(word for line in lines for word in set(_WORDS.findall(line)) if word in words)
        for number, line in enumerate(lines):
            for word in set(_WORDS.findall(line)) & words.keys():
                # rare words say more: one in every line says nothing
                votes[max(0, number - words[word])] += 1 + 1000 // frequency[word]
    return [start for start, _ in votes.most_common(5)]
