"""What a pass over the files found, on its way into a tree and an index: in memory when little, in a file when much."""

import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Self

from greenloop.records import TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore
from greenloop.workspace.vcs.private_index import entry_record, removal_record

_CHUNK = 5_000
"""Paths that one step of writing a tree takes: what is in memory at a time."""
_IN_MEMORY = 1 << 20


class Spool:
    """Removals and entries, by path, in the format that ``PrivateIndex.advance`` reads."""

    def __init__(self) -> None:
        self._removals: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self._entries: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self.count = 0

    def add(self, path: bytes, entry: Entry | None) -> None:
        """Note what is at ``path`` now."""
        self.count += 1
        if entry is None:
            self._removals.write(removal_record(path))
        else:
            self._entries.write(entry_record(int(entry.mode), entry.blob, path))

    def records(self) -> IO[bytes]:
        """Return all in one file, the removals first: a file may give way to a folder of its name."""
        whole = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asked closes it
        for part in (self._removals, self._entries):
            part.seek(0)
            while block := part.read(1 << 16):
                whole.write(block)
        return whole

    def removals(self) -> Iterator[bytes]:
        """Yield the paths that are gone."""
        for record in _split(self._removals):
            yield record.partition(b"\t")[2]

    def entries(self) -> Iterator[tuple[bytes, Entry]]:
        """Yield the paths that are there, and what they hold."""
        for record in _split(self._entries):
            meta, _, path = record.partition(b"\t")
            mode, _, oid = meta.partition(b" ")
            yield path, Entry(Mode(int(mode, 8)), oid.decode())

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the files."""
        self._removals.close()
        self._entries.close()


def _split(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    rest = b""
    while block := file.read(1 << 16):
        *whole, rest = (rest + block).split(b"\0")
        yield from whole


Part = tuple[Spool, Callable[[bytes], bytes]]
"""What was found in one repository, and how its paths become those of the tree."""


def write_tree(store: TreeStore, tree: TreeId, gone: Iterator[bytes], parts: list[Part]) -> TreeId:
    """Return ``tree`` without ``gone`` and with all that ``parts`` found."""
    chunk: dict[str, Entry | None] = {}

    def removals() -> Iterator[bytes]:
        yield from gone
        for spool, outward in parts:
            yield from map(outward, spool.removals())

    for path in removals():
        text = _text(path)
        # a path may be gone as a file because it is a folder now
        if text is not None and store.entry(tree, text) is not None:
            chunk[text] = None
        if len(chunk) >= _CHUNK:
            tree, chunk = store.update(tree, chunk), {}
    tree, chunk = store.update(tree, chunk), {}
    for spool, outward in parts:
        for path, entry in spool.entries():
            chunk[outward(path).decode()] = entry
            if len(chunk) >= _CHUNK:
                tree, chunk = store.update(tree, chunk), {}
    return store.update(tree, chunk)


def _text(path: bytes) -> str | None:
    try:
        return path.decode()
    except UnicodeDecodeError:
        return None  # such a name never came into a tree
