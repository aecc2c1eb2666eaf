"""An index of a workspace's files on the disk, by tantivy (https://docs.rs/tantivy), for trees of any size.

The index holds the chunks of one tree, whose id stands in it: what is new is told by comparing trees, so that only
changed files are read. Asked about another tree, files that differ are searched as they are there, in memory, with the
statistics of the index: unsaved buffers are found before anything is written. Every commit replaces the old state at
once, and one process writes at a time. What is damaged, or of another version, is made anew.
"""

import fcntl
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tantivy

from greenloop.builds.stop import Stop
from greenloop.prompts.draft import source_file
from greenloop.prompts.listing import listing
from greenloop.prompts.retrieval.chunks import Chunk, chunks_of
from greenloop.prompts.retrieval.scoring import Asked, asked, ranked
from greenloop.prompts.retrieval.seam import Hit
from greenloop.records import EnvironmentFault, TreeId
from greenloop.storage import named_io_errors
from greenloop.workspace.store import Entry, Mode, TreeStore

VERSION = "v1"
"""Changes with the fields, the cutting and the splitting: an index of another version is thrown away."""
MAX_LAID_OVER = 200
"""So many files that differ from the indexed tree are searched in memory for one question; further ones are not found
until ``follow`` has indexed them."""
_WRITER_BYTES = 32 << 20
_SPARE = 4
_POLL_SECONDS = 0.02
_STATE = "state"
_DAMAGE = (ValueError, OSError)
"""What tantivy raises over files that it cannot read or write."""


class OnDisk:
    """The index in ``folder``, which is Greenloop's own and this workspace's alone. Any thread may use it.

    Raises ``EnvironmentFault`` when the folder cannot be written.
    """

    def __init__(self, folder: Path, store: TreeStore, *, wait_seconds: float = 30.0) -> None:
        self.folder = folder
        self._store = store
        self._wait_seconds = wait_seconds
        # who writes holds the first for as long as that takes; the second only guards what is open for reading
        self._writing = threading.RLock()
        self._opening = threading.Lock()
        self._opened: _Opened | None = None
        self._stamp: tuple[int, int] = (0, 0)

    @property
    def tree(self) -> TreeId | None:
        """The tree that is indexed; ``None`` while there is none."""
        opened = self._current()
        return opened.tree if opened is not None else None

    def follow(self, tree: TreeId, stop: Stop | None = None) -> bool:
        """Bring the index to ``tree``; cost follows what changed. Call it after a save, off the way of questions.

        Return whether it stands at ``tree`` now; not so where another process is writing for too long. Raises
        ``Cancelled`` when ``stop`` is requested: the index is then as it was.
        """
        with self._writing, self.alone() as alone:
            if not alone:
                return False
            try:
                self._update(tree, stop)
            except _DAMAGE:
                # the folder is ours alone: what is in it cannot be read, and can be made again
                self._clear()
                self._made_again(tree, stop)
            return True

    def _made_again(self, tree: TreeId, stop: Stop | None) -> None:
        try:
            self._update(tree, stop)
        except _DAMAGE as error:
            raise EnvironmentFault(
                f"{self.folder}: the index cannot be written: {error}", "is the disk full? the folder may be deleted"
            ) from error

    def search(self, tree: TreeId, text: str, *, limit: int) -> Sequence[Hit]:
        """Return the best chunks of ``tree``: of files as indexed, and of those that differ as they are there.

        An index that cannot be read is made anew first, which takes as long as the first ``follow``.
        """
        try:
            return self._search(tree, text, limit)
        except _DAMAGE:
            self._forget()
        with self._writing, self.alone() as alone:
            if alone:
                try:
                    # it may have been replaced just then
                    return self._search(tree, text, limit)
                except _DAMAGE:
                    self._clear()
        self.follow(tree)
        return self._search(tree, text, limit)

    def uses(self, tree: TreeId, names: Iterable[str]) -> Mapping[str, int]:  # noqa: ARG002 - those of the index stand
        """Return in how many chunks each identifier is spelled, in the tree that is indexed."""
        opened = self._current()
        return opened.uses(names) if opened is not None else {}

    def _search(self, tree: TreeId, text: str, limit: int) -> list[Hit]:
        opened = self._current()
        if opened is None:
            return []
        entries = listing(self._store, tree).entries
        other = self._differing(opened.tree, tree)
        laid_over = sorted(other)[:MAX_LAID_OVER]
        chunks = [chunk for path in laid_over for chunk in self._chunks(path, entries.get(path))]
        question = opened.asked(text, chunks)
        # of a file that differs, what the index knows is passed by: more is asked for, so that enough is left
        hits = [hit for hit in opened.hits(question, limit + _SPARE * len(laid_over)) if hit.path not in other]
        hits += [hit for chunk in chunks if (hit := question.hit(chunk)) is not None]
        return ranked(hits, limit)

    def _differing(self, indexed: TreeId, tree: TreeId) -> frozenset[str]:
        return frozenset(change.path for change in self._store.changes(indexed, tree))

    def _chunks(self, path: str, entry: Entry | None) -> Iterator[Chunk]:
        if entry is None or entry.mode is Mode.LINK or not _is_unicode(path):
            return
        file = source_file(path, self._store.read_blob(entry.blob))
        if file is not None:
            yield from chunks_of(file)

    def _current(self) -> "_Opened | None":
        """The newest commit, whoever made it."""
        with self._opening:
            stamp = _stamp(self._path)
            if stamp is None:
                self._opened = None
            elif self._opened is None or stamp != self._stamp:
                self._opened = _open(self._path)
                self._stamp = stamp
            return self._opened

    @property
    def _path(self) -> Path:
        return self.folder / VERSION

    def _update(self, tree: TreeId, stop: Stop | None) -> None:
        opened = self._current()
        if opened is not None and opened.tree == tree:
            return
        known = opened.tree if opened is not None and opened.tree in self._store else None
        if known is None and opened is not None:
            # the tree that it stands at was purged from the store: nothing can be compared with it
            self._clear()
        with named_io_errors(self.folder):
            self._path.mkdir(parents=True, exist_ok=True)
            for old in self.folder.iterdir():
                if old.is_dir() and old.name != VERSION:
                    shutil.rmtree(old)
        changed: list[tuple[str, Entry | None]] = list(listing(self._store, tree).entries.items())
        if known is not None:
            changed = [(change.path, change.new) for change in self._store.changes(known, tree)]
        self._write(tree, changed, stop, fresh=known is None)
        now = self._current()
        if opened is not None and now is not None:
            # what was asked about the old commit will be asked about this one: here nobody waits for it
            now.uses(list(opened.used))

    def _write(
        self, tree: TreeId, changed: Sequence[tuple[str, Entry | None]], stop: Stop | None, *, fresh: bool
    ) -> None:
        index = tantivy.Index(_SCHEMA, str(self._path), reuse=True)
        _register(index)
        writer = index.writer(heap_size=_WRITER_BYTES, num_threads=1)
        for path, new in changed:
            if stop is not None and stop.requested:
                writer.rollback()
                stop.check()
            if not _is_unicode(path):
                continue
            if not fresh:
                writer.delete_documents_by_term("path", path)
            for chunk in self._chunks(path, new):
                writer.add_document(_document(chunk))
        writer.delete_documents_by_term("kind", _STATE)
        writer.add_document(tantivy.Document.from_dict({"kind": _STATE, "tree": tree}, _SCHEMA))
        writer.commit()
        writer.wait_merging_threads()

    def _forget(self) -> None:
        with self._opening:
            self._opened = None

    def _clear(self) -> None:
        self._forget()
        with named_io_errors(self.folder):
            shutil.rmtree(self._path, ignore_errors=True)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether this process may write while the block runs."""
        with named_io_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("ab")
        with lock:
            until = time.monotonic() + self._wait_seconds
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() >= until:
                        yield False
                        return
                    time.sleep(_POLL_SECONDS)
                else:
                    break
            # closing the file lets go of the lock; so does the kernel when the process is killed
            yield True


class _Opened:
    """One commit of an index, for reading."""

    def __init__(self, index: tantivy.Index) -> None:
        self._searcher = index.searcher()
        self.used: dict[str, int] = {}
        state = self._searcher.search(tantivy.Query.term_query(_SCHEMA, "kind", _STATE), 1)
        if not state.hits:
            raise ValueError("the index does not say which tree it holds")
        self.tree: TreeId = str(self._searcher.doc(state.hits[0][1]).get_first("tree"))
        self._chunks = self._searcher.num_docs - 1
        average = self._searcher.aggregate(tantivy.Query.all_query(), {"length": {"avg": {"field": "length"}}})
        self._average = float(average["length"]["value"] or 1.0)

    def asked(self, text: str, beside: Sequence[Chunk]) -> Asked:
        """Weigh the words of ``text`` by the index and the chunks ``beside`` it."""

        def having(word: str) -> int:
            return int(self._searcher.doc_freq("words", word)) + sum(word in chunk.words for chunk in beside)

        return asked(text, self._chunks + len(beside), having, self._average)

    def hits(self, question: Asked, limit: int) -> list[Hit]:
        should = [_should(tantivy.Query.term_query(_SCHEMA, "words", word)) for word in question.weights]
        defining = [name for name in sorted(question.spelled) if self._searcher.doc_freq("names", name)]
        if defining:
            names = tantivy.Query.term_set_query(_SCHEMA, "names", defining)
            should.append(_should(tantivy.Query.const_score_query(names, question.bonus)))
        if not should:
            return []
        found = self._searcher.search(tantivy.Query.boolean_query(should), limit, count=False)
        documents = [(float(score), self._searcher.doc(address)) for score, address in found.hits]
        return [
            Hit(str(one.get_first("path")), int(one.get_first("first") or 1), int(one.get_first("last") or 1), score)
            for score, one in documents
        ]

    def uses(self, names: Iterable[str]) -> Mapping[str, int]:
        for name in names:
            if name not in self.used:
                self.used[name] = self._searcher.doc_freq("spelled", name)
        return self.used


def _open(path: Path) -> _Opened:
    index = tantivy.Index.open(str(path))
    _register(index)
    return _Opened(index)


def _stamp(path: Path) -> tuple[int, int] | None:
    """Tells one commit from the next; ``None`` while there is none."""
    try:
        meta = (path / "meta.json").stat()
    except FileNotFoundError:
        return None
    return meta.st_mtime_ns, meta.st_ino


def _should(query: tantivy.Query) -> tuple[tantivy.Occur, tantivy.Query]:
    return tantivy.Occur.Should, query


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("kind", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("tree", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("path", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("first", stored=True)
    builder.add_unsigned_field("last", stored=True)
    builder.add_unsigned_field("length", fast=True)
    builder.add_text_field("names", tokenizer_name="split", index_option="basic")
    builder.add_text_field("spelled", tokenizer_name="split", index_option="basic")
    builder.add_text_field("words", tokenizer_name="split", index_option="freq")
    return builder.build()


_SCHEMA = _schema()


def _register(index: tantivy.Index) -> None:
    """Words come split already: tantivy is to part them at blanks alone."""
    index.register_tokenizer("split", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())


def _document(chunk: Chunk) -> tantivy.Document:
    words = (f"{word} " * count for word, count in chunk.words.items())
    fields: dict[str, Any] = {
        "path": chunk.path,
        "first": chunk.first,
        "last": chunk.last,
        "length": chunk.length,
        "names": " ".join(sorted(chunk.names)),
        "spelled": " ".join(sorted(chunk.spelled)),
        "words": "".join(words),
    }
    return tantivy.Document.from_dict(fields, _SCHEMA)


def _is_unicode(path: str) -> bool:
    """Whether tantivy can hold the path; one of other bytes is not searched."""
    return path.isascii() or not any("\udc80" <= sign <= "\udcff" for sign in path)
