"""Opening a SQLite database so that readers never wait for the writer."""

from pathlib import Path

from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from greenloop.records import EnvironmentFault
from greenloop.storage.files import named_io_errors


def open_database(path: Path, tables: MetaData) -> Engine:
    """Open or create the database at ``path`` in WAL mode, with ``tables``.

    ``synchronous=NORMAL`` loses at most the last transactions on power loss, never the file's integrity
    (https://www.sqlite.org/pragma.html#pragma_synchronous).

    Raises ``EnvironmentFault`` when the file cannot be created or is no database.
    """
    with named_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30.0})

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    try:
        tables.create_all(engine)
    except OperationalError as error:
        raise EnvironmentFault(
            f"{path}: the database cannot be opened: {error.orig}", "is the disk full or read-only?"
        ) from error
    except DatabaseError as error:
        raise EnvironmentFault(
            f"{path}: {error.orig}",
            "the file is damaged or no database: move it away and run the command again",
        ) from error
    return engine
