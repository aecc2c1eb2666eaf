"""Running many judgements with a few threads, and taking each result as soon as it is there."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def chunks(items: Sequence[Item], largest: int, workers: int) -> tuple[Sequence[Item], ...]:
    """Cut ``items`` into neighbouring runs of at most ``largest``, small enough that every worker gets some."""
    size = max(1, min(largest, -(-len(items) // max(1, workers))))
    return tuple(items[start : start + size] for start in range(0, len(items), size))


def run(
    work: Callable[[Sequence[Item]], Result], batches: Sequence[Sequence[Item]], workers: int
) -> Iterator[tuple[Sequence[Item], Result]]:
    """Yield (batch, result) as batches end, in any order; at most ``workers`` at once.

    When the consumer stops, or ``work`` raises, or Ctrl-C comes, no further batch is begun, those at work are
    waited for, and the error is raised. Results of the batches that ended meanwhile are dropped.
    """
    waiting = iter(batches)
    running: dict[Future[Result], Sequence[Item]] = {}
    with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="judge") as pool:

        def begin() -> None:
            for batch in waiting:
                running[pool.submit(work, batch)] = batch
                if len(running) >= workers:
                    return

        begin()
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
            begin()
