"""Databases of both kinds: made, found again, shared by several writers, and named when they refuse."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from greenloop.records import EnvironmentFault, InputError
from greenloop.storage.database import describe, named_database_errors, open_database, replacing, writing

TABLES = MetaData()
NUMBERS = Table("numbers", TABLES, Column("n", Integer, primary_key=True))
PAIRS = Table("pairs", TABLES, Column("key", Integer, primary_key=True), Column("a", Integer), Column("b", Integer))


@pytest.fixture(params=["path", "sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """An empty database by each way of naming one."""
    if request.param == "postgresql":
        new: Callable[[], str] = request.getfixturevalue("postgres")
        return new()
    return tmp_path / "db" if request.param == "path" else f"sqlite:///{tmp_path}/db"


def test_it_is_made_in_wal_mode_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "db"
    first = open_database(path, TABLES)
    with first.begin() as connection:
        connection.execute(insert(NUMBERS), [{"n": 7}])
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    first.dispose()
    again = open_database(path, TABLES)
    with again.connect() as connection:
        assert connection.execute(select(NUMBERS.c.n)).scalars().all() == [7]
    again.dispose()


def test_a_foreign_file_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_bytes(b"this is no database at all, but long enough to be read as a header " * 4)
    before = path.read_bytes()
    with pytest.raises(EnvironmentFault, match="not a database"):
        open_database(path, TABLES)
    assert path.read_bytes() == before


def test_a_place_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="file"):
        open_database(tmp_path / "file" / "db", TABLES)


def test_a_row_is_replaced_by_its_key(where: Path | str) -> None:
    engine = open_database(where, TABLES)
    with engine.begin() as connection:
        connection.execute(replacing(engine, PAIRS), [{"key": 1, "a": 1, "b": 1}, {"key": 2, "a": 2, "b": 2}])
        connection.execute(replacing(engine, PAIRS), [{"key": 2, "a": 3, "b": 3}])
        connection.execute(replacing(engine, PAIRS, keep=("b",)), [{"key": 1, "a": 4, "b": 4}])
        rows = connection.execute(select(PAIRS).order_by(PAIRS.c.key)).all()
    assert [tuple(row) for row in rows] == [(1, 4, 1), (2, 3, 3)]
    engine.dispose()


def test_writers_take_turns_and_what_fails_leaves_nothing(where: Path | str) -> None:
    engine = open_database(where, TABLES)

    def count_up() -> None:
        for _ in range(10):
            with writing(engine) as connection:
                # nobody comes between the reading and the writing
                highest = connection.execute(select(func.coalesce(func.max(NUMBERS.c.n), 0))).scalar_one()
                connection.execute(insert(NUMBERS), [{"n": highest + 1}])

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(insert(NUMBERS), [{"n": 1000}, {"n": 1000}])
    with engine.connect() as connection:
        assert sorted(connection.execute(select(NUMBERS.c.n)).scalars()) == list(range(1, 41))
    engine.dispose()


def test_what_a_database_refuses_is_named(where: Path | str) -> None:
    engine = open_database(where, TABLES)
    with (
        pytest.raises(EnvironmentFault, match=r"(?s)numbers cannot be kept.*\(try again\)"),
        named_database_errors(where, "numbers cannot be kept", "try again"),
        engine.begin() as connection,
    ):
        connection.execute(text("insert into nowhere values (1)"))
    engine.dispose()


def test_a_name_of_a_database_never_shows_its_password() -> None:
    assert describe("postgresql://me:secret@host/name") == "postgresql+psycopg://me:***@host/name"
    assert describe("sqlite:////data/ces.db") == "/data/ces.db"
    assert describe(Path("/data/ces.db")) == describe("/data/ces.db") == "/data/ces.db"
    with pytest.raises(InputError) as caught:
        describe("postgresql://me:secret@host:port/name")
    assert "secret" not in str(caught.value)
