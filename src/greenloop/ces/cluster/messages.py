"""What head and actors say to each other. Small and flat: Ray ships up to 100 kB of an answer with the answer itself,
and what is larger lies on the node that may die before it is fetched."""

import zlib
from dataclasses import dataclass

from greenloop.ces.cluster.bench import Quarantined
from greenloop.records import (
    Cancelled,
    EditError,
    EnvironmentFault,
    Evaluation,
    GreenloopError,
    InfrastructureError,
    InputError,
    Overloaded,
)

_KINDS: tuple[type[GreenloopError], ...] = (Cancelled, InfrastructureError, Overloaded, EnvironmentFault, InputError)
"""The kinds of error that travel, the most special first; every other one arrives as the nearest of them."""


@dataclass(frozen=True)
class Trouble:
    """An error, as it travels: exceptions with keywords do not survive pickling."""

    kind: str
    message: str
    way_out: str = ""

    @classmethod
    def of(cls, error: GreenloopError) -> "Trouble":
        """Return ``error`` for the journey."""
        kind = next((kind for kind in _KINDS if isinstance(error, kind)), InfrastructureError)
        message = f"{error.message} [{error.reason}]" if isinstance(error, EditError) else error.message
        return cls(kind.__name__, message, error.way_out)

    def error(self) -> GreenloopError:
        """Return the error at its destination."""
        kind = next(kind for kind in _KINDS if kind.__name__ == self.kind)
        return kind(self.message, self.way_out)


@dataclass(frozen=True)
class Job:
    """One request for an actor, its revision told as a tree."""

    ticket: str
    request: str
    """An ``EvaluationRequest`` as JSON."""
    toolchain: str
    project: str
    quarantine: tuple[str, ...]
    """What the books keep in quarantine for (toolchain, project)."""


@dataclass(frozen=True)
class Answer:
    """What became of a job."""

    packed: bytes
    """The evaluation's JSON and the log, a NUL between them, compressed."""
    found: tuple[Quarantined, ...] = ()

    @classmethod
    def of(cls, evaluation: Evaluation, log: str, found: tuple[Quarantined, ...]) -> "Answer":
        """Return an answer for the journey."""
        text = f"{evaluation.to_json()}\0{log}"
        return cls(zlib.compress(text.encode("utf-8", "surrogatepass")), found)

    def open(self) -> tuple[Evaluation, str]:
        """Return (evaluation, log)."""
        evaluation, _, log = zlib.decompress(self.packed).decode("utf-8", "surrogatepass").partition("\0")
        return Evaluation.from_json(evaluation), log


@dataclass(frozen=True)
class Opened:
    """What an actor is, once it can judge."""

    fingerprint: str
    pid: int
    builds: tuple[str, ...]
    """``WarmBuild`` records as JSON."""
