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
    """The names of faults that the door itself gives, and of those that a class of errors has (``MEANINGS``)."""

    PARSE = "parse-error"
    INVALID = "invalid-message"
    TOO_LARGE = "message-too-large"
    HALF = "half-message"
    SLOW = "slow-reader"
    METHOD = "unknown-method"
    PARAMS = "invalid-params"
    INTERNAL = "internal"
    NOT_INITIALIZED = "not-initialized"
    PROTOCOL = "protocol-mismatch"
    TOO_MANY = "too-many-requests"
    RESTARTED = "sidecar-restarted"
    UNREACHABLE = "sidecar-unreachable"
    CANNOT_APPROVE = "cannot-approve"
    CANCELLED = "cancelled"
    OVERLOADED = "overloaded"
    MODEL = "model"
    INFRASTRUCTURE = "infrastructure"
    ENVIRONMENT = "environment"
    INPUT = "input"


MEANINGS = {
    Code.PARSE: "a message is not JSON in UTF-8, or its frame cannot be read; the connection ends",
    Code.INVALID: "JSON, but no message of JSON-RPC 2.0; the connection ends",
    Code.TOO_LARGE: "a message is larger than the sidecar takes; the connection ends",
    Code.HALF: "a message began and did not go on; the connection ends",
    Code.SLOW: "a client does not read what it is sent; the connection ends",
    Code.METHOD: "there is no such method, or this sidecar does not serve it",
    Code.PARAMS: "a field is missing, unknown or of the wrong kind; the message names it",
    Code.INTERNAL: "a mistake in Greenloop; its log has the details",
    Code.NOT_INITIALIZED: "the first request has to be `initialize`",
    Code.PROTOCOL: "client and sidecar speak different versions of the protocol",
    Code.TOO_MANY: "more requests, or more connections, at a time than the sidecar takes",
    Code.RESTARTED: "the sidecar ended in the middle of a turn, or of a request that is not safe to repeat",
    Code.UNREACHABLE: "no sidecar can be started or reached; from `greenloop aid connect`",
    Code.CANNOT_APPROVE: "approval is needed, and the client does not answer such questions",
    Code.CANCELLED: "whoever asked took the request back",
    Code.OVERLOADED: "a queue is full: come back later",
    Code.MODEL: "a model did not answer, or answered what cannot be read",
    Code.INFRASTRUCTURE: "a verdict could not be reached, for reasons that are not the code's",
    Code.ENVIRONMENT: "the machine is not as it must be: a tool is missing, the disk is full",
    Code.INPUT: "what the person gave is wrong: a file, an argument, a setting",
}

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
