from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, text

from greenloop.records import EnvironmentFault
from greenloop.storage import open_database

TABLES = MetaData()
NUMBERS = Table("numbers", TABLES, Column("n", Integer, primary_key=True))


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
