"""Joining a Ray cluster. A process joins one at a time."""

import logging
import socket

import ray

from greenloop.records import InfrastructureError, InputError

_PROBE_SECONDS = 10.0
_START = "start one with `ray start --head`, with the same versions of Python and Ray"


def join(address: str) -> None:
    """Join the cluster whose head listens at ``address`` (HOST:PORT).

    Raises ``InfrastructureError`` when none does, ``InputError`` when ``address`` is none.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(
            f"{address!r} is no address of a Ray cluster", "write HOST:PORT, as `ray start --head` printed"
        )
    try:
        # Ray itself asks for minutes whether somebody is there
        socket.create_connection((host, int(port)), timeout=_PROBE_SECONDS).close()
    except OSError as error:
        raise InfrastructureError(f"no Ray cluster answers at {address}: {error.strerror or error}", _START) from error
    if ray.is_initialized():
        raise InfrastructureError("this process has joined a Ray cluster already", "close the other backend first")
    try:
        ray.init(
            address=address, namespace="greenloop-ces", log_to_driver=False, logging_level=logging.ERROR,
            configure_logging=False,
        )  # fmt: skip
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InfrastructureError(
            f"no Ray cluster answers at {address}: {str(error).strip().splitlines()[0]}",
            _START,
        ) from error


def leave() -> None:
    """Leave the cluster; this process's actors end."""
    ray.shutdown()
