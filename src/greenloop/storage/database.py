"""Opening a database: SQLite so that readers never wait for the writer, or PostgreSQL by its URL.

What differs between the two is here and nowhere else: how a connection is set up, how a row is replaced, and how
one writer is told to wait for another.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, MetaData, Table, create_engine, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from greenloop.records import EnvironmentFault, InputError
from greenloop.storage.files import named_io_errors

_LOCK = 0x67726565_6E6C6F70
"""The advisory lock of writers in PostgreSQL: any constant that nobody else uses in the same database."""


def open_database(where: Path | str, tables: MetaData) -> Engine:
    """Open or create a database with ``tables``: a path or ``sqlite:///PATH``, or ``postgresql://…``.

    SQLite is opened in WAL mode; ``synchronous=NORMAL`` loses at most the last transactions on power loss, never the
    file's integrity (https://www.sqlite.org/pragma.html#pragma_synchronous), and nothing when a process is killed.
    PostgreSQL's database has to exist; it is spoken to through psycopg 3, whatever driver the URL names.

    Raises ``EnvironmentFault`` when the file cannot be created or is no database, when the server cannot be reached
    or psycopg is not installed; ``InputError`` when the URL is none. No error shows a password.
    """
    url = _url(where)
    engine = _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)
    try:
        # several processes may begin at the same moment: one makes the tables, the others find them
        with writing(engine) as connection:
            tables.create_all(connection)
    except (OperationalError, InterfaceError) as error:
        raise EnvironmentFault(
            f"{describe(where)}: the database cannot be opened: {error.orig}",
            "is the disk full or read-only?" if url.get_backend_name() == "sqlite" else "is the server running?",
        ) from error
    except DatabaseError as error:
        raise EnvironmentFault(
            f"{describe(where)}: {error.orig}",
            "the file is damaged or no database: move it away and run the command again",
        ) from error
    return engine


def describe(where: Path | str) -> str:
    """Return how to name a database in a message: the path, or the URL without its password."""
    url = _url(where)
    if url.get_backend_name() == "sqlite" and url.database is not None:
        return url.database
    return url.render_as_string(hide_password=True)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Hold the database's one place for a writer, for a transaction that reads what it then changes.

    Commits at the end, rolls back when the block raises. Other writers wait, readers do not.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            # without it a transaction that has read first is refused when somebody else has written since
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        yield connection


def replacing(engine: Engine, table: Table, *, keep: Sequence[str] = ()) -> sqlite.Insert | postgresql.Insert:
    """Return an ``INSERT`` that replaces the row with the same primary key, but for the columns in ``keep``."""
    key = [column.name for column in table.primary_key.columns]
    others = [column.name for column in table.columns if column.name not in key and column.name not in keep]
    if engine.dialect.name == "sqlite":
        lite = sqlite.insert(table)
        return lite.on_conflict_do_update(index_elements=key, set_={name: lite.excluded[name] for name in others})
    statement = postgresql.insert(table)
    return statement.on_conflict_do_update(index_elements=key, set_={name: statement.excluded[name] for name in others})


@contextmanager
def named_database_errors(where: Path | str, what: str, way_out: str) -> Iterator[None]:
    """Turn what a database refuses into an ``EnvironmentFault`` that says ``what`` cannot be done."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        raise EnvironmentFault(f"{describe(where)}: {what}: {error.orig}", way_out) from error


def _url(where: Path | str) -> URL:
    if isinstance(where, Path):
        return URL.create("sqlite", database=str(where))
    if "://" not in where:
        return URL.create("sqlite", database=where)
    try:
        url = make_url(where)
    except (ArgumentError, ValueError) as error:
        # the text may hold a password, and so may SQLAlchemy's words about it
        raise InputError(
            "the URL of the database cannot be read", "sqlite:///PATH or postgresql://HOST/NAME"
        ) from error
    if url.get_backend_name() in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "sqlite":
        raise InputError(
            f"{url.get_backend_name()}: no database that Greenloop knows", "sqlite:///PATH or postgresql://HOST/NAME"
        )
    if url.database in {None, "", ":memory:"}:
        raise InputError("a database in memory keeps nothing", "name a file: sqlite:///PATH")
    return url


def _sqlite(url: URL) -> Engine:
    path = Path(str(url.database))
    with named_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": 30.0})

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    return engine


def _postgresql(url: URL) -> Engine:
    try:
        # a server that was restarted must not fail the first request after it
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    except ModuleNotFoundError as error:
        raise EnvironmentFault(
            "psycopg, which speaks to PostgreSQL, is not installed", "pip install 'greenloop[postgres]'"
        ) from error
