"""One persistent checker: a dune in passive watch mode over a warm tree, asked to check one edit after another.

It holds the tree of its base, green. A check writes the files that differ, asks dune for the types, and answers;
``settle`` writes the base's back and demands that dune finds it green again, since an error that stayed behind would
be the next edit's. A checker that fails in any of this is good for nothing but ``close``.

dune prints what it finds, in watch mode as otherwise, so that one parser reads both.
"""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import TypeVar

from greenloop.builds.checker.rpc import DuneClient
from greenloop.builds.checker.sources import Sources
from greenloop.builds.sandbox.policy import Completed, Session
from greenloop.builds.stop import Stop
from greenloop.records import InfrastructureError
from greenloop.workspace.store import Change, TreeStore

_T = TypeVar("_T")

_TARGET = "(alias_rec check)"
_SOCKET_FOLDER = "_build/.rpc"
_START_SECONDS = 120.0
"""What dune may take to load the project and to look through all that is built."""
_SETTLE_SECONDS = 60.0
_BUSY_SECONDS = 5.0
"""How long an edit that nobody waits for any more may go on before its checker is given up."""
_PAUSE = 0.002
_PRINTED_SECONDS = 2.0
"""How long after its answer dune's last words may take to arrive."""
_OUTPUT = 1 << 18
"""Bytes of output after which a checker is replaced: what it printed is looked through at every check."""
_BANNER = re.compile(rb"^\*{4,} NEW BUILD .*\*{4,}$", re.MULTILINE)
_END = re.compile(rb"^(?:Success|Had (?:\d+ )?errors?), waiting for filesystem changes\.\.\.\n\Z", re.MULTILINE)


_UNKNOWN = b"unknown option"


class NoWatchModeError(InfrastructureError):
    """This dune has no passive watch mode: it is older than 3.0."""


class WatchChecker:
    """One session, used by one thread at a time; ``close`` ends it."""

    def __init__(self, session: Session, store: TreeStore, held: ExitStack) -> None:
        """Wait until dune listens and has found the base green. ``held`` is closed with it, after the session.

        Raises ``InfrastructureError`` when that does not come about, ``NoWatchModeError`` when it never will; all is
        closed then.
        """
        self._session = session
        self._held = held
        self._store = store
        self._written: tuple[Change, ...] = ()
        self._pending = False
        self._client: DuneClient | None = None
        self._sources: Sources | None = None
        self.checks = 0
        """How many edits it was asked about."""
        try:
            deadline = time.monotonic() + _START_SECONDS
            self._sources = Sources(session.work)
            self._client = self._connect(deadline)
            self._demand_green(deadline)
        except OSError as error:
            self.close()
            raise InfrastructureError(f"the persistent checker could not be started: {error}") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End dune and its sandbox."""
        if self._client is not None:
            self._client.close()
        if self._sources is not None:
            self._sources.close()
        self._session.close()
        self._held.close()

    @property
    def fit(self) -> bool:
        """Whether it is worth keeping once it has settled."""
        return self._session.alive() and len(self._session.output()) < _OUTPUT

    def check(self, changes: Sequence[Change], seconds: float, stop: Stop | None) -> Completed | None:
        """Say what a one-shot ``dune build @check`` would say of the base with these changes.

        ``None`` where dune did not answer within ``seconds``, or not so that it could be trusted. Raises
        ``Cancelled`` when ``stop`` was requested first, ``InfrastructureError`` or ``OSError`` when it broke down.
        Whatever comes of it, ``settle`` must follow.
        """
        assert self._client is not None
        start = time.monotonic()
        self.checks += 1
        before = len(self._session.output())
        self._write(changes)
        self._pending = True
        built = self._client.build(_TARGET, start + seconds, stop)
        if built is None:
            return None
        self._pending = False
        printed = self._printed(before)
        if printed is None:
            return None
        return Completed(
            exit_status=0 if built else 1,
            stdout=b"",
            stderr=b"" if built else printed,
            seconds=time.monotonic() - start,
            timed_out=False,
            truncated=False,
        )

    def settle(self) -> None:
        """Go back to the base, and see that it is green.

        Raises ``InfrastructureError`` or ``OSError`` when that does not come about.
        """
        assert self._client is not None
        deadline = time.monotonic() + _SETTLE_SECONDS
        if self._pending and self._client.finish(time.monotonic() + _BUSY_SECONDS) is None:
            raise InfrastructureError("the persistent checker is busy with an edit that nobody waits for any more")
        self._pending = False
        self._write([Change(change.path, change.new, change.old) for change in self._written])
        self._written = ()
        self._demand_green(deadline)

    def _demand_green(self, deadline: float) -> None:
        assert self._client is not None
        before = len(self._session.output())
        if self._client.build(_TARGET, deadline) is not True or self._printed(before) is None:
            said = self._session.output()[before:][-1000:].decode("utf-8", "replace").strip()
            raise InfrastructureError(f"the persistent checker does not find its base green: {said}")

    def _write(self, changes: Sequence[Change]) -> None:
        """Bring the changes about; what of them was, is remembered even when one fails."""
        assert self._sources is not None
        for change in changes:
            self._written = (*self._written, change)
            if change.new is None:
                self._sources.remove(change.path)
            else:
                self._sources.write(change.path, self._store.read_blob(change.new.blob))

    def _printed(self, before: int) -> bytes | None:
        """Return what dune printed about the build that just ended, or ``None`` when that cannot be told apart.

        Its last words travel by another way than its answer. A second banner says that dune began again half way.
        """

        def whole() -> bytes | None:
            text = self._session.output()[before:]
            return text if _END.search(text) else None

        text = _await(whole, time.monotonic() + _PRINTED_SECONDS)
        if text is None or len(_BANNER.findall(text)) > 1 or len(text) > _OUTPUT:
            return None
        return _END.sub(b"", _BANNER.sub(b"", text))

    def _connect(self, deadline: float) -> DuneClient:
        assert self._sources is not None
        sources = self._sources

        def listening() -> DuneClient | None:
            if not self._session.alive():
                said = self._session.output()[-1000:]
                kind = NoWatchModeError if _UNKNOWN in said else InfrastructureError
                raise kind(f"dune ended instead of watching: {said.decode('utf-8', 'replace').strip()}")
            with suppress(FileNotFoundError, ConnectionRefusedError), sources.folder(_SOCKET_FOLDER) as folder:
                return DuneClient(folder, max(0.1, deadline - time.monotonic()))
            return None

        client = _await(listening, deadline)
        if client is None:
            raise InfrastructureError("dune does not listen for requests")
        return client


def _await(look: Callable[[], _T | None], deadline: float) -> _T | None:
    """Look again and again until there is something, or the time is over."""
    while True:
        found = look()
        if found is not None or time.monotonic() > deadline:
            return found
        time.sleep(_PAUSE)
