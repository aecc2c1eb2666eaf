"""Blocks of writes: durable together or not at all, seen by every store on the folder, and readable by any git."""

import os
import subprocess
import sys
import threading
import zlib
from contextlib import suppress
from pathlib import Path

import pygit2
import pytest

from greenloop.records import Conflict, EnvironmentFault, InputError
from greenloop.workspace.chains import Chains
from greenloop.workspace.durable import SPILL_BYTES
from greenloop.workspace.packing import write_pack
from greenloop.workspace.store import Entry, Mode, TreeStore

REF = "refs/greenloop/w/000000000000"


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "store")


@pytest.fixture
def other(store: TreeStore) -> TreeStore:
    """Return another store on the same folder, opened before anything is in it."""
    return TreeStore(store.path)


def git(store: TreeStore, *words: str) -> str:
    environment = {"PATH": os.environ["PATH"], "GIT_DIR": str(store.path)}
    done = subprocess.run(["git", *words], capture_output=True, check=True, text=True, env=environment)
    return done.stdout


def commit(store: TreeStore, content: str, parent: str | None = None) -> str:
    """Add a commit of one file to the chain, in a block of its own."""
    chains = Chains(store)
    with store.staged():
        tree = store.write_tree({"a/b": Entry(Mode.FILE, store.write_blob(content.encode()))})
        made = chains.commit(tree, f'{{"content":"{content}"}}', 1e9, parent)
        chains.move(REF, made, was=parent)
    return made


def contents(store: TreeStore) -> list[bytes | None]:
    """Return what the chain holds, the newest first."""
    chains = Chains(store)
    return [store.read(link.tree, "a/b") for tip in chains.tips().values() for link in chains.walk(tip)]


def test_what_a_block_wrote_is_seen_at_its_end_by_everybody(store: TreeStore, other: TreeStore) -> None:
    with store.staged():
        blob = store.write_blob(b"new")
        tree = store.write_tree({"a/b": Entry(Mode.FILE, blob)})
        assert (store.read(tree, "a/b"), blob in other, tree in store) == (b"new", False, True)

    assert other.read(tree, "a/b") == b"new"
    assert pygit2.Oid(hex=tree) not in pygit2.Repository(str(store.path)).odb
    assert store.staged_bytes == 3 + len(b"100644 b\0") + 20 + len(b"40000 a\0") + 20
    assert store.staged_since is not None


def test_a_block_that_raises_leaves_nothing_and_is_not_remembered(store: TreeStore, other: TreeStore) -> None:
    with suppress(RuntimeError), store.staged():
        blob = store.write_blob(b"dropped")
        tree = store.write_tree({"a": Entry(Mode.FILE, blob)})
        Chains(store).move(REF, tree, was=None)
        assert store.read(tree, "a") == b"dropped"
        raise RuntimeError

    for each in (store, other):
        assert (blob in each, tree in each, each.refs("refs/")) == (False, False, {})
    with pytest.raises(InputError, match="not in the tree store"):
        store.files(tree)
    assert store.write_blob(b"dropped") in other


def test_blocks_nest_and_end_with_the_outermost(store: TreeStore, other: TreeStore) -> None:
    with suppress(RuntimeError), store.staged():
        with store.staged():
            blob = store.write_blob(b"x")
        assert blob not in other
        raise RuntimeError
    assert blob not in other


def test_blocks_of_other_threads_wait_and_their_other_writes_do_not_join(store: TreeStore, other: TreeStore) -> None:
    done: list[str] = []

    def write() -> None:
        done.append(store.write_blob(b"beside"))
        with store.staged():
            done.append(store.write_blob(b"after"))

    with suppress(RuntimeError), store.staged():
        thread = threading.Thread(target=write)
        thread.start()
        while not done:
            thread.join(0.01)
        assert done[0] in other
        raise RuntimeError
    thread.join()
    assert all(blob in other for blob in done)


def test_a_flush_moves_all_into_a_pack_that_any_git_reads(store: TreeStore, other: TreeStore) -> None:
    first = commit(store, "1")
    second = commit(store, "2", first)
    assert contents(other) == [b"2", b"1"]

    assert store.flush()
    assert not store.flush()

    assert (store.staged_bytes, store.staged_since) == (0, None)
    assert contents(store) == contents(other) == contents(TreeStore(store.path)) == [b"2", b"1"]
    log = git(store, "log", "--format=%an %ae %at %s", REF).splitlines()
    assert log == [f'Greenloop recorder@greenloop.invalid 1000000000 {{"content":"{n}"}}' for n in (2, 1)]
    assert git(store, "cat-file", "-p", f"{second}:a/b") == "2"
    git(store, "fsck", "--full", "--strict")
    (pack,) = (store.path / "objects/pack").glob("*.idx")
    git(store, "verify-pack", str(pack))
    third = commit(other, "3", second)
    assert other.refs("refs/") == store.refs("refs/") == {REF: third}


def test_a_chain_never_forks(store: TreeStore, other: TreeStore) -> None:
    first = commit(store, "1")
    commit(other, "2", first)

    with pytest.raises(Conflict, match="somebody else wrote this history"):
        commit(store, "3", first)
    store.flush()
    with pytest.raises(Conflict, match="somebody else"):
        commit(store, "3", first)

    assert contents(store) == [b"2", b"1"]


def test_a_chain_that_was_deleted_is_gone_before_and_after_the_flush(store: TreeStore, other: TreeStore) -> None:
    first = commit(store, "1")
    store.flush()
    with store.staged():
        Chains(store).move(REF, None, was=first)

    assert other.refs("refs/") == {}
    store.flush()
    assert git(other, "for-each-ref") == ""


def test_a_large_block_does_not_stay_in_memory(store: TreeStore, other: TreeStore) -> None:
    content = [bytes([number]) * (SPILL_BYTES // 4 + 1) for number in range(6)]
    with store.staged():
        blobs = [store.write_blob(some) for some in content]
        assert list((store.path / "objects/pack").glob("*.pack"))
        assert [store.read_blob(blob) for blob in blobs] == content
    assert [other.read_blob(blob) for blob in blobs] == content


def test_a_staging_file_that_is_deleted_takes_only_its_own(store: TreeStore) -> None:
    first = commit(store, "1")
    store.flush()
    lost = commit(store, "2", first)
    store.close()
    for path in store.path.glob("staging.db*"):
        path.unlink()

    assert contents(store) == [b"1"]
    assert lost not in TreeStore(store.path)
    commit(store, "3", first)
    assert contents(TreeStore(store.path)) == [b"3", b"1"]


def test_a_damaged_staging_file_is_put_aside_and_its_whole_rows_are_saved(store: TreeStore) -> None:
    first = commit(store, "1")
    commit(store, "2" * 9000, first)
    store.close()
    path = store.path / "staging.db"
    content = path.read_bytes()
    path.write_bytes(
        content.replace(REF.encode(), REF.encode().upper(), 2).replace(b"REFS/GREENLOOP/W", REF[:16].encode(), 1)
    )

    again = TreeStore(store.path)

    assert contents(again) in ([b"1"], [])
    assert len(again.durable.notes) == 1
    assert (store.path / "staging.damaged-1.db").exists()


def test_a_half_written_object_is_one_clear_error(store: TreeStore) -> None:
    blob = store.write_blob(b"to be torn " * 100)
    path = store.path / "objects" / blob[:2] / blob[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:20])

    with pytest.raises(InputError, match=f"{blob}: damaged"):
        TreeStore(store.path).read_blob(blob)


def test_a_damaged_index_of_a_pack_is_made_again(store: TreeStore) -> None:
    commit(store, "1")
    store.flush()
    (index,) = (store.path / "objects/pack").glob("*.idx")
    whole = index.read_bytes()
    index.chmod(0o644)
    index.write_bytes(whole[:1100] + b"\xff" + whole[1101:])

    again = TreeStore(store.path)

    assert again.durable.notes == [f"{index} was damaged: it is made again from its pack"]
    assert contents(again) == [b"1"]
    assert index.read_bytes() == whole


def test_an_object_that_was_swapped_for_another_is_not_served(store: TreeStore) -> None:
    blob, evil = store.write_blob(b"good"), store.write_blob(b"evil")
    paths = [store.path / "objects" / oid[:2] / oid[2:] for oid in (blob, evil)]
    assert zlib.decompress(paths[1].read_bytes()) == b"blob 4\0evil"
    paths[1].replace(paths[0])

    with pytest.raises(InputError, match="damaged"):
        TreeStore(store.path).read_blob(blob)


def test_a_pack_with_an_object_of_each_kind_is_what_git_makes_of_it(store: TreeStore) -> None:
    objects = {pygit2.hash(content).raw: (3, content) for content in (b"", b"x", b"y" * 15, b"z" * 16, b"w" * 100_000)}
    write_pack(store.path / "objects/pack", ((oid, kind, content) for oid, (kind, content) in objects.items()))

    (pack,) = (store.path / "objects/pack").glob("*.pack")
    mine = pack.with_suffix(".idx").read_bytes()
    git(store, "index-pack", "-o", str(store.path / "git.idx"), str(pack))
    assert (store.path / "git.idx").read_bytes() == mine


PROGRAM = """
import sys
from pathlib import Path
from greenloop.workspace.store import TreeStore
store = TreeStore(Path(sys.argv[1]))
print(sum(store.read_blob(blob) == b"%d" % number for number, blob in enumerate(sys.stdin.read().split())))
"""


def test_another_process_reads_what_is_staged(store: TreeStore) -> None:
    with store.staged():
        blobs = [store.write_blob(b"%d" % number) for number in range(50)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, store.path], input="\n".join(blobs), capture_output=True, text=True, check=True
    )
    assert done.stdout == "50\n"


def test_names_that_lead_elsewhere_are_refused_in_a_block_too(store: TreeStore) -> None:
    entry = Entry(Mode.FILE, store.write_blob(b""))
    for name in ("..", ".", ".git", ".GIT", "a/.git/config", "git~1"):
        with pytest.raises((EnvironmentFault, InputError)), store.staged():
            store.write_tree({name: entry})
