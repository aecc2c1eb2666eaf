"""What the benchmark of retrieval asks: the commits of a git repository, each with the lines that it changed."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import SortMode

from greenloop.prompts.draft import SourceFile, source_file, split_lines
from greenloop.prompts.retrieval.seam import Hit
from greenloop.prompts.retrieval.words import spelled_in, words_of
from greenloop.records import TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore

_CODE = re.compile(r"(?!.*(?:test|vendor)).*\.mli?")
_PULL = re.compile(r"\s*\(#\d+\)")
MAX_CHANGED_LINES = 100


@dataclass(frozen=True)
class Case:
    """A commit's subject, the tree before it, and the lines (path, number) of that tree that it changed."""

    words: str
    tree: TreeId
    changed: frozenset[tuple[str, int]]


def cases(repository: Path, store: TreeStore, count: int) -> Iterator[Case]:
    """Yield the newest ``count`` commits with a subject of three words or more that change code, not only tests."""
    repo = pygit2.Repository(str(repository))
    found = 0
    for commit in repo.walk(repo.head.target, SortMode.TOPOLOGICAL):
        words = _PULL.sub("", commit.message.partition("\n")[0])
        if found == count or len(commit.parents) != 1 or len(words.split()) < 3:
            if found == count:
                return
            continue
        parent = commit.parents[0]
        changed = _changed(repo, parent, commit)
        if 0 < len(changed) <= MAX_CHANGED_LINES:
            found += 1
            yield Case(words, _tree(parent, store), frozenset(changed))


def _changed(repo: pygit2.Repository, parent: pygit2.Commit, commit: pygit2.Commit) -> set[tuple[str, int]]:
    lines: set[tuple[str, int]] = set()
    for patch in repo.diff(parent, commit, context_lines=0):
        if patch is None:
            continue
        path = patch.delta.old_file.path
        if patch.delta.status_char() == "A" or not _CODE.fullmatch(path):
            continue
        for hunk in patch.hunks:
            # an insertion stands between two lines: either may be shown
            count = hunk.old_lines or 2
            lines.update((path, hunk.old_start + row) for row in range(count))
    return lines


def _tree(commit: pygit2.Commit, store: TreeStore) -> TreeId:
    entries = {path: blob for path, blob in _files(commit.tree, "") if _CODE.fullmatch(path)}
    with store.staged():
        return store.write_tree({path: Entry(Mode.FILE, store.write_blob(blob.data)) for path, blob in entries.items()})


def _files(tree: pygit2.Tree, prefix: str) -> Iterator[tuple[str, pygit2.Blob]]:
    for one in tree:
        if isinstance(one, pygit2.Tree):
            yield from _files(one, f"{prefix}{one.name}/")
        elif isinstance(one, pygit2.Blob):
            yield f"{prefix}{one.name}", one


class Grep:
    """Lines that hold most of the question's longer words, each with ten lines around it."""

    def __init__(self, store: TreeStore) -> None:
        self._store = store

    def search(self, tree: TreeId, text: str, *, limit: int) -> list[Hit]:
        """Return the best lines with what is around them."""
        wanted = {word.lower() for word in spelled_in(text) if len(word) > 3}
        hits = []
        for path, entry in self._store.files(tree).items():
            lines = split_lines(self._store.read_blob(entry.blob).decode("utf-8", "replace").lower())
            for number, line in enumerate(lines, 1):
                score = sum(word in line for word in wanted)
                if score:
                    hits.append(Hit(path, max(1, number - 10), min(len(lines), number + 10), score))
        return sorted(hits, key=lambda hit: (-hit.score, hit.path, hit.first_line))[:limit]


class Before:
    """The search that there was before: definitions by the sum of the weights of the words that they share."""

    def __init__(self, store: TreeStore) -> None:
        self._store = store
        self._known: dict[str, list[tuple[int, int, frozenset[str], frozenset[str]]]] = {}

    def search(self, tree: TreeId, text: str, *, limit: int) -> list[Hit]:
        """Return the best definitions."""
        asked, spelled = words_of(text), spelled_in(text)
        chunks = [
            (path, first, last, words | words_of(path), names)
            for path, entry in self._store.files(tree).items()
            for first, last, words, names in self._cut(path, entry)
        ]
        weights = {word: idf(sum(word in chunk[3] for chunk in chunks), len(chunks)) for word in asked}
        bonus = 2 * max(weights.values(), default=0.0)
        hits = [
            Hit(path, first, last, sum(weights[word] for word in asked & words) + bonus * bool(spelled & names))
            for path, first, last, words, names in chunks
        ]
        return sorted((hit for hit in hits if hit.score > 0), key=lambda hit: -hit.score)[:limit]

    def _cut(self, path: str, entry: Entry) -> list[tuple[int, int, frozenset[str], frozenset[str]]]:
        if entry.blob not in self._known:
            file = source_file(path, self._store.read_blob(entry.blob))
            self._known[entry.blob] = [] if file is None else list(_definitions(file))
        return self._known[entry.blob]


def idf(having: int, count: int) -> float:
    """Weigh a word that ``having`` of ``count`` chunks hold."""
    return math.log((count + 1) / (having + 0.5)) if having else 0.0


def _definitions(file: SourceFile) -> Iterator[tuple[int, int, frozenset[str], frozenset[str]]]:
    for item in file.items:
        words = words_of(file.text(item.first_line, item.last_line))
        yield item.first_line, item.last_line, words, frozenset(item.names)
