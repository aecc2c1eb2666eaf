"""Errors as clients know them: a stable name, what happened, the way out."""

from enum import StrEnum

from greenloop.aid.protocol.turns import Fault
from greenloop.records import (
    Cancelled,
    EnvironmentFault,
    GreenloopError,
    InfrastructureError,
    InputError,
    ModelError,
    Overloaded,
    Refused,
)


class Code(StrEnum):
    """The names of faults that the door itself gives, and of those that a class of errors has."""

    PARSE = "parse-error"
    """A message is not JSON in UTF-8, or its frame cannot be read. The connection ends."""
    INVALID = "invalid-message"
    """JSON, but no message of JSON-RPC 2.0. The connection ends."""
    TOO_LARGE = "message-too-large"
    """A message is larger than the sidecar takes. The connection ends."""
    HALF = "half-message"
    """A message began and did not go on. The connection ends."""
    SLOW = "slow-reader"
    """A client does not read what it is sent. The connection ends."""
    METHOD = "unknown-method"
    PARAMS = "invalid-params"
    INTERNAL = "internal"
    """A mistake in Greenloop: the log has the details."""
    NOT_INITIALIZED = "not-initialized"
    """The first request of a connection has to be ``initialize``."""
    PROTOCOL = "protocol-mismatch"
    """Client and sidecar speak different versions of the protocol."""
    TOO_MANY = "too-many-requests"
    """More requests, or more connections, at a time than the sidecar takes."""
    RESTARTED = "sidecar-restarted"
    """The sidecar ended in the middle of a turn or of a request that is not safe to repeat. Nothing was applied."""
    UNREACHABLE = "sidecar-unreachable"
    """No sidecar can be started or reached."""
    CANNOT_APPROVE = "cannot-approve"
    """Approval is needed, and the client does not answer such questions."""
    CANCELLED = "cancelled"
    OVERLOADED = "overloaded"
    MODEL = "model"
    INFRASTRUCTURE = "infrastructure"
    ENVIRONMENT = "environment"
    INPUT = "input"


_NUMBERS = {
    Code.PARSE: -32700,
    Code.TOO_LARGE: -32700,
    Code.HALF: -32700,
    Code.INVALID: -32600,
    Code.METHOD: -32601,
    Code.PARAMS: -32602,
    Code.INTERNAL: -32603,
    Code.NOT_INITIALIZED: -32002,
    Code.CANCELLED: -32800,
}
"""JSON-RPC 2.0's own numbers, and the Language Server Protocol's for what it has names for."""
_OTHERS = -32000

_CLASSES: tuple[tuple[type[GreenloopError], Code], ...] = (
    (Cancelled, Code.CANCELLED),
    (Overloaded, Code.OVERLOADED),
    (ModelError, Code.MODEL),
    (InfrastructureError, Code.INFRASTRUCTURE),
    (EnvironmentFault, Code.ENVIRONMENT),
    (InputError, Code.INPUT),
)


def fault_of(error: GreenloopError) -> Fault:
    """Return an error as clients are told it."""
    if isinstance(error, Refused):
        return Fault(code=error.code, message=error.message, way_out=error.way_out)
    code = next((code for kind, code in _CLASSES if isinstance(error, kind)), Code.INTERNAL)
    return Fault(code=code, message=error.message, way_out=error.way_out)


def number_of(code: str) -> int:
    """Return the number that stands beside a name in an error of JSON-RPC; clients need only look at the name."""
    return _NUMBERS.get(Code(code), _OTHERS) if code in set(Code) else _OTHERS
