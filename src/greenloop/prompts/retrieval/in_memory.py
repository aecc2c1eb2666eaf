"""Searching a tree without an index: its files are read and cut anew for each question.

Right for a small tree, and where an answer must depend on nothing but the tree, as in training.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from greenloop.prompts.draft import SourceFile, source_file
from greenloop.prompts.listing import listing
from greenloop.prompts.retrieval.chunks import chunks_of
from greenloop.prompts.retrieval.scoring import asked, ranked
from greenloop.prompts.retrieval.seam import Hit
from greenloop.prompts.retrieval.words import spelled_in
from greenloop.records import TreeId
from greenloop.workspace.store import Mode, TreeStore
from greenloop.workspace.syntax import language_of

MAX_FILES_READ = 1_000
"""How many files are read at most: those with a grammar first, then by path."""


class InMemory:
    """Searches trees of ``store``."""

    def __init__(self, store: TreeStore) -> None:
        self._store = store

    def search(self, tree: TreeId, text: str, *, limit: int) -> Sequence[Hit]:
        """Return the chunks that share words with ``text``, the best first.

        When no chunk does, files are returned whole in the order of their paths: a small tree is then still shown.
        """
        files = list(self._files(tree))
        chunks = [chunk for file in files for chunk in chunks_of(file)]
        average = sum(chunk.length for chunk in chunks) / max(1, len(chunks))
        question = asked(text, len(chunks), lambda word: sum(word in chunk.words for chunk in chunks), average)
        hits = ranked([hit for chunk in chunks if (hit := question.hit(chunk)) is not None], limit)
        return hits or [Hit(file.path, 1, len(file.lines), 0.0) for file in files]

    def uses(self, tree: TreeId, names: Iterable[str]) -> Mapping[str, int]:
        """Return in how many files each identifier is spelled."""
        spelled = [spelled_in(file.text(1, len(file.lines))) for file in self._files(tree)]
        return {name: sum(name in words for words in spelled) for name in names}

    def _files(self, tree: TreeId) -> Iterator[SourceFile]:
        entries = listing(self._store, tree).entries
        for path in sorted(entries, key=lambda path: (language_of(path) is None, path))[:MAX_FILES_READ]:
            entry = entries[path]
            file = source_file(path, self._store.read_blob(entry.blob)) if entry.mode is not Mode.LINK else None
            if file is not None and file.lines:
                yield file
