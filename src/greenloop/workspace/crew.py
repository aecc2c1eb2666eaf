"""Pure work on trees, spread over processes: Python computes on one core, and most machines have more.

The functions are plain: they read trees, return values and touch nothing else, so results do not depend on how many
processes there are. Each process opens the tree store for itself, and ends with the one that started it, however that
ends. Judging is no such work: see ``builds.engine``.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from greenloop.records import EnvironmentFault
from greenloop.workspace.store import TreeStore

Item = TypeVar("Item")
Result = TypeVar("Result")


class Crew:
    """``workers`` processes that work on the trees of ``store``; with one, the work is done here when it is asked for.

    A script that uses more than one must guard its start by ``if __name__ == "__main__"``, as ``multiprocessing``
    asks: processes are started afresh (``spawn``), since a fork of a process with threads may hang.
    """

    def __init__(self, store: TreeStore, workers: int = 1) -> None:
        self._store = store
        self._pool: ProcessPoolExecutor | None = None
        if workers > 1:
            self._pool = ProcessPoolExecutor(
                workers, multiprocessing.get_context("spawn"), initializer=_open, initargs=(store.path,)
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(
        self, function: Callable[[TreeStore, Item], Result], items: Iterable[Item], *, chunk: int = 8
    ) -> Iterator[Result]:
        """Return what ``function`` makes of each item, in order. Other processes start on it at once.

        ``function`` must be importable by its name; a process gets ``chunk`` items at a time. What it raises is raised
        when its result is asked for, and ``EnvironmentFault`` when a process died.
        """
        if self._pool is None:
            return (function(self._store, item) for item in items)
        with _named_death():
            return _watched(self._pool.map(partial(_apply, function), items, chunksize=chunk))


def _watched(results: Iterator[Result]) -> Iterator[Result]:
    with _named_death():
        yield from results


@contextmanager
def _named_death() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise EnvironmentFault(
            "a helper process died", "was it killed, or is memory short? one worker needs the least"
        ) from error


_stores: list[TreeStore] = []
"""The store of a helper process; empty everywhere else."""


def _open(path: Path) -> None:
    # a killed parent says no goodbye, and its helpers would wait for work for ever
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _stores.append(TreeStore(path))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _apply(function: Callable[[TreeStore, Item], Result], item: Item) -> Result:
    return function(_stores[0], item)
