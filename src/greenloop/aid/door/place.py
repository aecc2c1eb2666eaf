"""Where one home's sidecar lives: its lock, its socket, its card, its logs.

    FOLDER/lock          held (flock) by the sidecar that runs; the kernel lets go of it, whatever ends the process
    FOLDER/starting      held by whoever starts one, so that many that come at once start one
    FOLDER/sidecar.json  where it listens, and its process; of use only while the lock is held
    FOLDER/aid.log       what it says; rotated
    FOLDER/last-words    what it and its children printed, of the latest one only
    RUNTIME/aid.sock     the socket, mode 0600

Both folders are this user's alone, mode 0700.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM
from socket import socket as Socket  # noqa: N812 - a place has a property of that name

from pydantic import ValidationError

from greenloop.builds.locks import locked_if_free
from greenloop.records import EnvironmentFault, Part, Refused
from greenloop.storage import named_io_errors, write_atomically

_LONGEST = 107
"""Bytes of a Unix socket's path: Linux' ``sun_path`` less its end (unix(7))."""
_BACKLOG = 128
_TRIES, _TRY_SECONDS = 10, 0.02
ALREADY_RUNNING = "already-running"


class Card(Part):
    """What a running sidecar wrote down."""

    socket: str
    pid: int
    session: str
    version: str


@dataclass(frozen=True)
class Place:
    """The folders of one home's sidecar."""

    folder: Path
    runtime: Path
    """Where a sidecar that is started puts its socket; where one listens, its card says."""

    @property
    def socket(self) -> Path:
        """Where the sidecar listens, or would."""
        card = self.card()
        return Path(card.socket) if card is not None else self.runtime / "aid.sock"

    @property
    def starting(self) -> Path:
        """The lock of whoever starts one."""
        return self.folder / "starting"

    @property
    def log(self) -> Path:
        """What the sidecar says."""
        return self.folder / "aid.log"

    @property
    def last_words(self) -> Path:
        """What it and its children printed."""
        return self.folder / "last-words"

    def card(self) -> Card | None:
        """Return what the sidecar that runs wrote down, if there is anything; a killed one's card may be left."""
        try:
            return Card.model_validate_json((self.folder / "sidecar.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def prepare(self) -> None:
        """Make the folders. Raises ``EnvironmentFault`` where they are not this user's alone."""
        for folder in (self.folder, self.runtime):
            with named_io_errors(folder):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                found = folder.lstat()
                if found.st_uid != os.geteuid():
                    raise EnvironmentFault(
                        f"{folder}: belongs to another user", "choose another home with `greenloop --home`"
                    )
                if found.st_mode & 0o077:
                    folder.chmod(0o700)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the one sidecar of this place. Raises ``Refused`` (``already-running``) when another is."""
        self.prepare()
        for _ in range(_TRIES):
            with locked_if_free(self.folder / "lock") as ours:
                if ours:
                    # a killed one's: it tells of nobody any more
                    (self.folder / "sidecar.json").unlink(missing_ok=True)
                    yield
                    return
            # whoever asks whether one runs holds it for a moment too
            time.sleep(_TRY_SECONDS)
        raise Refused(ALREADY_RUNNING, f"{self.folder}: a sidecar runs already", "see `greenloop aid status`")

    def free(self) -> bool:
        """Whether no sidecar runs."""
        if not (self.folder / "lock").exists():
            return True
        with locked_if_free(self.folder / "lock") as ours:
            return ours

    @contextmanager
    def listening(self, session: str, version: str) -> Iterator[Socket]:
        """Listen, and say so on the card; only for whoever holds the place. A killed one's socket is replaced."""
        path = self.runtime / "aid.sock"
        demand_short(path)
        with Socket(AF_UNIX, SOCK_STREAM) as listener:
            with named_io_errors(path):
                path.unlink(missing_ok=True)
                # nobody can connect in between: the folder is ours alone, and nothing listens before the mode is set
                listener.bind(str(path))
                path.chmod(0o600)
                listener.listen(_BACKLOG)
            card = Card(socket=str(path), pid=os.getpid(), session=session, version=version)
            write_atomically(self.folder / "sidecar.json", card.model_dump_json().encode())
            try:
                yield listener
            finally:
                (self.folder / "sidecar.json").unlink(missing_ok=True)
                path.unlink(missing_ok=True)


def demand_short(path: Path) -> None:
    """Raise ``EnvironmentFault`` where a path is too long for a Unix socket."""
    if len(os.fsencode(path)) > _LONGEST:
        raise EnvironmentFault(
            f"{path}: longer than the {_LONGEST} bytes that a Unix socket's path may have",
            "set XDG_RUNTIME_DIR, or choose a shorter home with `greenloop --home`",
        )
