"""Parquet tables: DuckDB and ``datasets`` load them, and every tree can be built again from them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.snapshots.histories import ANN, BOB, STATES, Files, held

from datasets import load_dataset
from greenloop.records import InputError
from greenloop.snapshots.exports.parquet import SCHEMAS, export_parquet
from greenloop.snapshots.exports.pseudonyms import Pseudonyms
from greenloop.snapshots.store import SnapshotStore


def ask(query: str) -> list[tuple[Any, ...]]:
    """Ask DuckDB."""
    return duckdb.connect().execute(query).fetchall()


def test_duckdb_builds_every_tree_again(filled: SnapshotStore, tmp_path: Path) -> None:
    done = export_parquet(filled, tmp_path / "out")

    assert (done.workspaces, done.snapshots, done.reports) == (3, 6, 5)
    found: list[Files] = []
    for seq in range(len(STATES)):
        rows = ask(
            f"""
            with latest as (
              select path, blob, row_number() over (partition by path order by seq desc) as place
              from '{tmp_path}/out/files.parquet' where workspace = '{ANN.id}' and seq <= {seq}
            )
            select path, coalesce(encode("text"), "bytes") from latest
            join '{tmp_path}/out/contents.parquet' using (blob) where place = 1
            """
        )
        found.append({path: bytes(content) for path, content in rows})
    assert found == [files for _, files in held(filled)[ANN.id]]


def test_duckdb_asks_for_reports_and_changes(filled: SnapshotStore, tmp_path: Path) -> None:
    export_parquet(filled, tmp_path / "out")

    reports = ask(
        f"""select source, status, smeared, seq, diagnostics[1].message, diagnostics[1].line
            from '{tmp_path}/out/reports.parquet' order by seq, smeared"""
    )
    assert reports[1] == ("reported", "red", False, 1, "This expression has type int\nbut é", 1)
    assert [row[3] for row in reports] == [0, 1, 1, 3, 4]
    changed = ask(
        f"select path, old_blob is null, blob is null from '{tmp_path}/out/files.parquet' where seq = 3 order by path"
    )
    assert changed == [("a.ml", False, False), ("bin", False, True), ("c.ml", True, False), ("lib/b.ml", False, True)]


@pytest.mark.parametrize("table", sorted(SCHEMAS))
def test_datasets_loads_every_table(filled: SnapshotStore, tmp_path: Path, table: str) -> None:
    export_parquet(filled, tmp_path / "out")

    file = str(tmp_path / f"out/{table}.parquet")
    loaded = load_dataset("parquet", data_files=file, cache_dir=str(tmp_path / "cache"), split="train")

    assert set(loaded.column_names) == set(SCHEMAS[table].names)
    assert len(loaded) > 0


def test_people_have_the_same_pseudonym_in_every_table(filled: SnapshotStore, tmp_path: Path) -> None:
    export_parquet(filled, tmp_path / "out", [ANN.id, BOB.id], names=Pseudonyms(b"k" * 32))

    ids = ask(f"select id, author from '{tmp_path}/out/workspaces.parquet'")
    assert all(id_.split("/")[1] == author for id_, author in ids)
    for table in ("snapshots", "reports", "files"):
        named = ask(f"select distinct workspace from '{tmp_path}/out/{table}.parquet'")
        assert {row[0] for row in named} <= {id_ for id_, _ in ids}


def test_an_unknown_workspace_is_refused(filled: SnapshotStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="w/eve: no such workspace"):
        export_parquet(filled, tmp_path / "out", ["w/eve"])


LONG = """
import random, resource, sys
from pathlib import Path
from greenloop.records import Snapshot, Workspace
from greenloop.snapshots.exports import FORMATS
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.folders import Entry, Mode
from greenloop.workspace.store import TreeStore

folder, kind, snapshots = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = SnapshotStore(folder / "greenloop.db", TreeStore(folder / "objects.git"))
if snapshots:
    store.add_workspace(Workspace(id="w", author="a", title="t", source="recorder"))
    for seq in range(snapshots):
        blob = store.trees.write_blob(random.randbytes(1 << 20))
        tree = store.trees.write_tree({"a": Entry(Mode.FILE, blob)})
        store.add([Snapshot(workspace="w", seq=seq, time=seq, tree=tree)])
else:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    FORMATS[kind].write(store, folder / kind)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jsonl", "parquet", "progsnap2"])
def test_memory_does_not_follow_the_history(tmp_path: Path, kind: str) -> None:
    def run(snapshots: int) -> str:
        command = [sys.executable, "-c", LONG, str(tmp_path), kind, str(snapshots)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    run(400)

    # 400 MiB of contents; what is allowed is the cache of trees and files, and a group of rows
    assert int(run(0)) < 200
