"""The threads of one turn: what they find comes to the turn's own thread, one thing after another."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from greenloop.builds.stop import Stop
from greenloop.models.mailbox import Mailbox
from greenloop.records import GreenloopError

Found = TypeVar("Found")


class Crew(Generic[Found]):
    """Runs pieces of work, and gives what they yield to whoever calls ``next``, until ``stop`` is requested."""

    def __init__(self, stop: Stop, name: str, *, width: int = 8) -> None:
        self._stop = stop
        self._mailbox: Mailbox[Found | BaseException | Callable[[], None]] = Mailbox()
        self._pool = ThreadPoolExecutor(max_workers=width, thread_name_prefix=name)
        self.working = 0
        """How many pieces of work have not ended yet."""

    def begin(self, work: Callable[[], Iterator[Found]], failed: Callable[[GreenloopError], None]) -> None:
        """Run ``work`` in a thread. An error on purpose is given to ``failed``, in the thread that calls ``next``."""
        self.working += 1
        self._pool.submit(self._run, work, failed).add_done_callback(self._broke)

    def next(self) -> Found | None:
        """Wait for what comes next; ``None`` when a piece of work has ended. Raises ``Cancelled``, and mistakes."""
        item = self._mailbox.get(self._stop)
        if isinstance(item, BaseException):
            raise item
        if callable(item):
            self.working -= 1
            item()
            return None
        return item

    def tell(self, found: Found) -> None:
        """Give something to whoever calls ``next``, from any thread."""
        self._mailbox.put(found)

    def close(self) -> None:
        """Wait for the threads, whose work must have been asked to end."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._mailbox.close()

    def _run(self, work: Callable[[], Iterator[Found]], failed: Callable[[GreenloopError], None]) -> None:
        try:
            for found in work():
                self._mailbox.put(found)
        except GreenloopError as error:
            caught = error
            self._mailbox.put(lambda: failed(caught))
        else:
            self._mailbox.put(_nothing)

    def _broke(self, done: "Future[None]") -> None:
        mistake = None if done.cancelled() else done.exception()
        if mistake is not None:
            self._mailbox.put(mistake)


def _nothing() -> None:
    """A piece of work has ended well."""
