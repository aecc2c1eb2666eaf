"""Every error that Greenloop raises on purpose, drawn as one tree.

    GreenloopError             one sentence that names the thing, and the way out
    ├── InputError             what the person gave is wrong                        exit status 2
    │   ├── RecordError        a stored record cannot be read
    │   ├── EditError          an edit cannot be parsed, or does not apply
    │   ├── NoFolder           a commit has no such folder
    │   ├── Refused            what a client asked the sidecar for is refused, by a stable name
    │   └── Conflict           a name that was given stands for something else already
    ├── Cancelled              whoever asked no longer wants the answer                 exit status 1
    └── EnvironmentFault       the world is not as it must be: no compiler, disk full   exit status 1
        ├── InfrastructureError    a judgement could not be made; never red, never a reward of 0
        ├── Overloaded             a queue is full: come back later
        └── ModelError             a model did not answer, or answered what cannot be read

They live with the records because they too cross every boundary; the command line alone turns them into text.
"""

from typing import ClassVar


class GreenloopError(Exception):
    """An error with one clear sentence and the way out of it.

    ``message`` names the thing that is wrong; ``way_out`` says what the reader can do.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, way_out: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.message} ({self.way_out})" if self.way_out else self.message


class InputError(GreenloopError):
    """What the person gave is wrong: a file, an argument, a configuration."""

    exit_status = 2


class RecordError(InputError):
    """A stored record cannot be read: foreign, truncated, or of a later version."""


class EditError(InputError):
    """An edit cannot be parsed or does not apply; nothing was changed.

    ``reason`` is a short stable word for logs and statistics, such as ``no-match`` or ``outside-tree``.
    """

    def __init__(self, message: str, way_out: str = "", *, reason: str = "malformed") -> None:
        super().__init__(message, way_out)
        self.reason = reason


class NoFolder(InputError):  # noqa: N818 - of a history it is no error: the folder came later
    """A commit does not hold the folder that was asked for."""


class Refused(InputError):  # noqa: N818 - a door's answer
    """The sidecar refuses what a client asked for. ``code`` is the stable name by which clients know why."""

    def __init__(self, code: str, message: str, way_out: str = "") -> None:
        super().__init__(message, way_out)
        self.code = code


class Conflict(InputError):  # noqa: N818 - the standard word, as HTTP's 409
    """A name that was given, such as an idempotency key, stands for something else already."""


class Cancelled(GreenloopError):  # noqa: N818 - nothing went wrong
    """Work was ended because nobody wants its result any more. Never tried again, never recorded as a failure."""


class EnvironmentFault(GreenloopError):  # noqa: N818 - a fault of the world, not of the program
    """The machine is not as it must be: a tool is missing, the disk is full, a service is down."""


class InfrastructureError(EnvironmentFault):
    """A verdict could not be reached for reasons that are not the code's. Never red, never stored."""


class Overloaded(EnvironmentFault):
    """A bounded queue is full. ``retry_after`` says in how many seconds room is likely."""

    def __init__(self, message: str, way_out: str = "", *, retry_after: float = 1.0) -> None:
        super().__init__(message, way_out)
        self.retry_after = retry_after


class ModelError(EnvironmentFault):
    """A model could not be reached, did not answer, or answered what cannot be read."""
