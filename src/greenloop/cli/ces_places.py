"""Where the evaluation service of a home is found: its socket, its tokens, its lock, and what it says of itself."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from greenloop.ces.tokens import Tokens
from greenloop.cli.config import Config
from greenloop.cli.home import Home
from greenloop.records import InputError
from greenloop.storage import named_io_errors, write_atomically

_CARD = "server.json"
_LOCK = "lock"


def socket_path(home: Home, settings: Config) -> Path:
    """Return the Unix socket that is set, else that of the home."""
    return Path(settings.ces.socket).expanduser().absolute() if settings.ces.socket else home.ces / "ces.sock"


def tokens(settings: Config, token_file: Path | None) -> Tokens | None:
    """Return the tokens of the file that is named or set, else of the environment."""
    path = token_file or (Path(settings.ces.token_file).expanduser() if settings.ces.token_file else None)
    if path is None:
        value = os.environ.get(settings.ces.token_variable)
        return Tokens.parse(value, settings.ces.token_variable) if value else None
    with named_io_errors(path):
        if path.stat().st_mode & 0o077:
            raise InputError(f"{path}: others may read this file of tokens", f"chmod 600 {path}")
        return Tokens.parse(path.read_text("utf-8"), str(path))


def running(home: Home) -> dict[str, str]:
    """Return what the service of this home says of itself, or nothing when none runs."""
    card = home.ces / _CARD
    if not card.exists():
        return {}
    told: dict[str, str] = json.loads(card.read_text("utf-8"))
    return told


def announce(home: Home, address: str, repositories: dict[str, Path]) -> None:
    """Write down where the service of this home is, and what it serves."""
    served = json.dumps({name: str(path.resolve()) for name, path in repositories.items()})
    card = {"address": address, "repositories": served, "pid": str(os.getpid())}
    write_atomically(home.ces / _CARD, json.dumps(card).encode())


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """Be the one service of a home. Raises ``InputError`` when another runs; the kernel forgets one that was killed."""
    with named_io_errors(home.ces):
        home.ces.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.ces.chmod(0o700)
        handle = os.open(home.ces / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{home.path}: a service of this home is running",
                "use it, stop it, or choose another home with `greenloop --home`",
            ) from error
        # what a killed one left says nothing any more
        (home.ces / _CARD).unlink(missing_ok=True)
        yield
        (home.ces / _CARD).unlink(missing_ok=True)
    finally:
        os.close(handle)


def is_free(home: Home) -> bool:
    """Whether no service runs on this home."""
    lock = home.ces / _LOCK
    if not lock.exists():
        return True
    handle = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True
