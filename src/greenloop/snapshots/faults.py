"""Naming what the snapshot database refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from greenloop.records import EnvironmentFault


@contextmanager
def named_database_errors(path: Path) -> Iterator[None]:
    """Turn a database's refusal into an ``EnvironmentFault``; the transaction was rolled back."""
    try:
        yield
    except DatabaseError as error:
        raise EnvironmentFault(
            f"{path}: {error.orig}", "is the disk full or read-only? nothing of this step was kept"
        ) from error
