"""From its start to its end: being the only one, listening, saying so, serving, logging."""

import contextlib
import logging
import logging.handlers
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from greenloop.aid.door.connection import Bounds
from greenloop.aid.door.place import ALREADY_RUNNING, Place
from greenloop.aid.door.server import About, Door, serve
from greenloop.aid.service import Service
from greenloop.records import Refused

_LOG_BYTES, _LOGS = 1 << 20, 3


@dataclass(frozen=True)
class Terms:
    """How long a sidecar lives, and how much clients may bring."""

    idle_seconds: float = 1800.0
    """It ends after so long without a client; 0: never."""
    bounds: Bounds = field(default_factory=Bounds)


def live(place: Place, version: str, terms: Terms, make: Callable[[], Service], tell: Callable[[str], None]) -> str:
    """Be the sidecar of a place until it ends, and return why it ended.

    ``make`` builds the service, which is closed at the end. ``tell`` is called once, with ``ready``, or with ``other``
    before ``Refused`` (``already-running``) is raised.
    """
    try:
        with place.held():
            log_to(place)
            session = secrets.token_hex(8)
            service = make()
            with place.listening(session, version) as listener:
                return serve(
                    lambda: Door(
                        service, About(version, session), bounds=terms.bounds, idle_seconds=terms.idle_seconds
                    ),
                    listener,
                    lambda: tell("ready"),
                )
    except Refused as error:
        if error.code == ALREADY_RUNNING:
            tell("other")
        raise


def log_to(place: Place) -> None:
    """Send what this process logs to the place's log, which is rotated."""
    handler = logging.handlers.RotatingFileHandler(place.log, maxBytes=_LOG_BYTES, backupCount=_LOGS, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def say_on(fd: int | None) -> Callable[[str], None]:
    """Return what tells the supervisor, on a pipe that is closed then; without one nobody is told."""

    if fd is not None:
        os.set_inheritable(fd, False)

    def say(word: str) -> None:
        if fd is not None:
            # whoever started us may have been killed meanwhile; others may still want us
            with contextlib.suppress(BrokenPipeError):
                os.write(fd, f"{word}\n".encode())
            os.close(fd)

    return say
