"""Putting bytes on this machine's disk so that a kill or a full disk leaves the old state or the new one.

Holds the three ways in which Greenloop keeps things beside git objects: whole files replaced atomically, files of
lines that only grow (``storage.lines``), and databases: SQLite in WAL mode, or a PostgreSQL server by its URL.
Absent here: any table, any record, any knowledge of where the home is.
"""

from greenloop.storage.files import (
    made_once,
    named_io_errors,
    replacing,
    replacing_together,
    sha256_of,
    staged,
    write_atomically,
)

__all__ = [
    "made_once",
    "named_io_errors",
    "replacing",
    "replacing_together",
    "sha256_of",
    "staged",
    "write_atomically",
]
