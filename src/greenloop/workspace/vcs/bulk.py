"""Where the contents of files go: one by one into the store, or many at once into packs, written meanwhile.

A first reading writes tens of thousands of files. As loose objects they would cost a file each. ``git fast-import``
would pack them too, in 13 s for 50,000 files of 4 KB where this takes 5: it hashes each byte three times, slowly.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Protocol, Self

from greenloop.records import BlobId
from greenloop.storage import named_io_errors
from greenloop.workspace.packing import write_pack
from greenloop.workspace.staging import object_id
from greenloop.workspace.store import TreeStore

MANY = 1_000
"""Files from which on a pack is cheaper than loose objects."""

_BLOB = 3
_BATCH_BYTES = 1 << 18
_WAITING = 8
"""Batches that may wait for being compressed: one by one, the threads would hinder each other."""
_PACK_OBJECTS = 100_000
"""Objects of one pack: of each, its id and its place are in memory until the pack is finished."""

_Batch = list[tuple[bytes, int, bytes]]
"""(id, kind, content) of each; an empty one is the last."""


class Blobs(Protocol):
    """Takes contents; they are in the store once the block ended."""

    def add(self, blob: BlobId, content: bytes) -> None:
        """Take one, by the id that ``name_of`` gives."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def name_of(content: bytes) -> BlobId:
    """Return the id of a content."""
    return object_id(_BLOB, content).hex()


class SingleBlobs:
    """Writes each as the store does."""

    def __init__(self, store: TreeStore) -> None:
        self._store = store

    def add(self, blob: BlobId, content: bytes) -> None:
        """Store one."""
        if not self._store.holds(blob):
            self._store.put(_BLOB, content, blob)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End: there is nothing left to do."""


class PackedBlobs:
    """Writes all into packs of the store, in a thread: compressing is most of the work, and runs beside the reading.

    A kill leaves files with the name of ``packing.TEMPORARY``, which upkeep deletes. Raises ``EnvironmentFault`` when
    the disk refuses; then finished packs stay, with objects that nothing names.
    """

    def __init__(self, store: TreeStore) -> None:
        self._store = store
        self._packs = store.path / "objects" / "pack"

    def __enter__(self) -> Self:
        """Begin."""
        self._queue: Queue[_Batch] = Queue(_WAITING)
        self._batch: _Batch = []
        self._size = 0
        self._left = _PACK_OBJECTS
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="packing")
        self._stop = False
        self._written = self._start()
        return self

    def _start(self) -> Future[Path | None]:
        return self._writer.submit(self._write)

    def _write(self) -> Path | None:
        try:
            return write_pack(self._packs, self._objects())
        except BaseException:
            self._stop = True
            # whoever waits to add one more is let go
            with suppress(Empty):
                while True:
                    self._queue.get_nowait()
            raise

    def _objects(self) -> Iterator[tuple[bytes, int, bytes]]:
        while batch := self._queue.get():
            yield from batch

    def add(self, blob: BlobId, content: bytes) -> None:
        """Take one."""
        if self._store.holds(blob):
            return
        self._batch.append((bytes.fromhex(blob), _BLOB, content))
        self._size += len(content)
        self._left -= 1
        if self._size >= _BATCH_BYTES:
            self._hand_over()
        if not self._left:
            self._finish()
            self._left, self._written = _PACK_OBJECTS, self._start()

    def _hand_over(self) -> None:
        batch, self._batch, self._size = self._batch, [], 0
        if batch:
            self._put(batch)

    def _put(self, batch: _Batch) -> None:
        while not self._stop:
            with suppress(Full):
                return self._queue.put(batch, timeout=1)
        return self._result()

    def _finish(self) -> None:
        self._hand_over()
        self._put([])
        self._result()

    def _result(self) -> None:
        with named_io_errors(self._packs):
            self._written.result()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the last pack; what was taken before an error is kept too, named by nothing."""
        try:
            if not self._stop:
                self._finish()
        finally:
            self._writer.shutdown()
