"""Finding the code that a person's words are about, when no error says where to look.

Chunks are top-level items, or runs of ``CHUNK_LINES`` lines. A chunk scores the sum of the inverse document
frequencies of the distinct words that it, or its path, shares with the person's words; identifiers are split
(``parseExpr``, ``parse_expr`` → parse, expr), as FINDINGS of retrieval ask. A chunk that defines a name which the
person spelled out scores twice the rarest word on top.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from greenloop.prompts.draft import Draft, SourceFile
from greenloop.workspace.syntax import language_of

CHUNK_LINES = 40
MAX_FILES_READ = 1_000
"""How many files are read at most: those with a grammar first, then by path."""
_MAX_SHOWN_CHUNKS = 200
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SPELLED = re.compile(r"[A-Za-z_][\w']*")


@dataclass(frozen=True, slots=True)
class _Chunk:
    file: SourceFile
    first: int
    last: int
    names: tuple[str, ...]
    words: frozenset[str]


def words_of(text: str) -> frozenset[str]:
    """Return the words of ``text``, identifiers split, in lower case, single letters left out."""
    return frozenset(word.lower() for word in _WORDS.findall(text) if len(word) > 1)


def rank(draft: Draft, prompt: str) -> Iterator[tuple[SourceFile, int, int]]:
    """Yield (file, first line, last line) of the chunks that share words with ``prompt``, the best first.

    When no chunk does, files are yielded whole in the order of their paths: a small tree is then still shown.
    """
    paths = sorted(draft.entries, key=lambda path: (language_of(path) is None, path))[:MAX_FILES_READ]
    files = [file for file in map(draft.file, paths) if file is not None and file.lines]
    chunks = [chunk for file in files for chunk in _chunks(file)]
    asked = words_of(prompt)
    spelled = frozenset(_SPELLED.findall(prompt))
    weights = {word: _idf(sum(word in chunk.words for chunk in chunks), len(chunks)) for word in sorted(asked)}
    bonus = 2 * max(weights.values(), default=0.0)
    scored = []
    for place, chunk in enumerate(chunks):
        score = _total(weights[word] for word in asked & chunk.words)
        if not spelled.isdisjoint(chunk.names):
            score += bonus
        if score > 0:
            scored.append((-score, place, chunk))
    scored.sort(key=lambda entry: entry[:2])
    for _, _, chunk in scored[:_MAX_SHOWN_CHUNKS]:
        yield chunk.file, chunk.first, chunk.last
    if not scored:
        yield from ((file, 1, len(file.lines)) for file in files)


def _total(values: Iterable[float]) -> float:
    # fsum does not depend on the order of a set
    return math.fsum(values)


def _idf(having: int, count: int) -> float:
    return math.log((count + 1) / (having + 0.5)) if having else 0.0


def _chunks(file: SourceFile) -> Iterator[_Chunk]:
    path_words = words_of(file.path)
    spans = [(item.first_line, item.last_line, item.names) for item in file.items]
    if not spans:
        count = len(file.lines)
        spans = [(start, min(start + CHUNK_LINES - 1, count), ()) for start in range(1, count + 1, CHUNK_LINES)]
    for first, last, names in spans:
        yield _Chunk(file, first, last, names, words_of(file.text(first, last)) | path_words)
