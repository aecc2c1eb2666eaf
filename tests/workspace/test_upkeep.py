"""Upkeep: small, thinned out, checked; and nothing that a ref leads to is ever lost."""

import os
import random
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from greenloop.records import EnvironmentFault, InputError
from greenloop.workspace.chains import Chains
from greenloop.workspace.store import Entry, Mode, TreeStore
from greenloop.workspace.upkeep import Upkeep

REF = "refs/greenloop/w/000000000000"
DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "store")


def commit(store: TreeStore, text: bytes, parent: str | None = None) -> str:
    chains = Chains(store)
    with store.staged():
        tree = store.write_tree({"a/b": Entry(Mode.FILE, store.write_blob(text))})
        made = chains.commit(tree, "{}", 0.0, parent)
        chains.move(REF, made, was=parent)
    return made


def contents(store: TreeStore) -> list[bytes | None]:
    chains = Chains(store)
    return [store.read(link.tree, "a/b") for tip in chains.tips().values() for link in chains.walk(tip)]


def history(store: TreeStore, entries: int) -> list[bytes | None]:
    """Record one-line edits of a file of 20 KB, a pack each; return what the chain then holds."""
    lines = [b"%032x" % random.Random(number).getrandbits(128) for number in range(600)]
    tip = None
    for number in range(entries):
        lines[number * 7 % 600] = b"edited %d" % number
        tip = commit(store, b"\n".join(lines), tip)
        store.flush()
    return contents(store)


def packs(store: TreeStore) -> int:
    return len(list((store.path / "objects/pack").glob("*.pack")))


def bytes_of(store: TreeStore) -> bytes:
    """Return all objects of the store, as git unpacks them."""
    environment = {"PATH": os.environ["PATH"], "GIT_DIR": str(store.path)}
    command = ["git", "cat-file", "--batch-all-objects", "--batch"]
    return subprocess.run(command, capture_output=True, check=True, env=environment).stdout


def test_repacking_joins_packs_and_loses_nothing(store: TreeStore) -> None:
    held = history(store, 30)
    care, other = Upkeep(store), TreeStore(store.path)
    before, many = care.size_bytes(), packs(store)

    care.repack()
    assert packs(store) < many / 4
    care.repack(thorough=True)

    assert packs(store) == 1
    assert care.size_bytes() < before / 5
    assert contents(store) == contents(other) == contents(TreeStore(store.path)) == held
    assert care.fsck() == ()


def test_what_nothing_refers_to_is_kept_until_it_is_old(store: TreeStore) -> None:
    history(store, 3)
    care = Upkeep(store)
    cached = store.write_tree({"cache": Entry(Mode.FILE, store.write_blob(b"a candidate"))})
    with store.staged():
        staged = store.write_tree({"cache": Entry(Mode.FILE, store.write_blob(b"a staged candidate"))})

    care.repack(thorough=True)
    care.prune()
    assert (store.read(cached, "cache"), store.read(staged, "cache")) == (b"a candidate", b"a staged candidate")

    care.prune(0)
    for tree in (cached, staged):
        with pytest.raises(InputError, match="not in the tree store"):
            store.read(tree, "cache")
    assert b"candidate" not in bytes_of(store)
    assert len(contents(store)) == 3


def test_the_bytes_of_a_history_that_was_cut_are_gone_from_every_file(store: TreeStore) -> None:
    first = commit(store, b"keep me")
    second = commit(store, b"an incompressible secret: " + random.Random(1).randbytes(40).hex().encode(), first)
    store.flush()
    # a second secret is never flushed
    third = commit(store, b"0123456789 another secret, staged only", second)
    with store.staged():
        Chains(store).move(REF, first, was=third)

    Upkeep(store).prune(0)
    store.close()

    assert contents(store) == [b"keep me"]
    assert b"secret" not in bytes_of(store)
    for path in store.path.rglob("*"):
        assert path.is_dir() or b"another secret" not in path.read_bytes()


def test_other_stores_notice_that_something_was_removed(store: TreeStore) -> None:
    first = commit(store, b"1")
    other = TreeStore(store.path)
    with store.staged():
        blob = store.write_blob(b"remembered")
    assert other.read_blob(blob) == b"remembered"
    Upkeep(store).prune(0)

    with other.staged():
        assert other.write_blob(b"remembered") == blob
        tree = other.write_tree({"a/b": Entry(Mode.FILE, blob)})
        made = Chains(other).commit(tree, "{}", 0.0, first)
        Chains(other).move(REF, made, was=first)

    assert contents(TreeStore(store.path)) == [b"remembered", b"1"]
    assert Upkeep(store).fsck() == ()


def test_writers_and_upkeep_at_the_same_time_lose_nothing(store: TreeStore) -> None:
    stop = threading.Event()
    care = Upkeep(TreeStore(store.path))

    def keep_up() -> None:
        while not stop.is_set():
            care.repack()
            care.prune(0)

    thread = threading.Thread(target=keep_up)
    thread.start()
    tip = None
    try:
        for number in range(40):
            tip = commit(store, b"%d" % number, tip)
            if number % 5 == 0:
                store.flush()
    finally:
        stop.set()
        thread.join()
    assert contents(store) == [b"%d" % number for number in reversed(range(40))]
    assert care.fsck() == ()


def test_what_killed_runs_left_is_cleared(store: TreeStore) -> None:
    history(store, 2)
    folder = store.path / "objects/pack"
    left = [folder / name for name in ("tmp_pack_abc", ".tmp-1-pack-x.pack", "tmp_greenloop_1_2_idx", "pack-0.pack")]
    left.append(store.path / "packed-refs.lock")
    for path in left:
        path.write_bytes(b"half")

    Upkeep(store).prune(0)

    assert [path.name for path in left if path.exists()] == []
    assert len(contents(store)) == 2


@pytest.mark.parametrize("what", ["pack", "loose", "staged", "ref", "lost"])
def test_fsck_finds_damage_wherever_it_is(store: TreeStore, what: str) -> None:
    first = commit(store, b"1" * 500)
    store.flush()
    loose = store.write_blob(b"2" * 500)
    second = commit(store, b"\x7f" * 4000, first)
    care = Upkeep(store)
    store.close()
    # a check of the whole flushes: what is damaged below is staged still
    shutil.copytree(store.path, store.path.with_name("whole"))
    assert Upkeep(TreeStore(store.path.with_name("whole"))).fsck() == ()
    match what:
        case "pack":
            (path,) = (store.path / "objects/pack").glob("*.pack")
            content = path.read_bytes()
            content = content[:40] + bytes([content[40] ^ 1]) + content[41:]
        case "loose":
            path = store.path / "objects" / loose[:2] / loose[2:]
            content = path.read_bytes()[:-1]
        case "staged":
            path = store.path / "staging.db"
            content = path.read_bytes().replace(b"\x7f" * 2000, b"\x7f" * 1999 + b"\x7e", 1)
        case "ref":
            path = store.path / "packed-refs"
            store.flush()
            content = path.read_bytes().replace(second.encode(), b"1" * 40)
        case _:
            path = store.path / "staging.db"
            content = b""
            path.unlink()
            with store.staged():
                Chains(store).move(REF, "2" * 40, was=first)
    if what != "lost":
        path.chmod(0o644)
        path.write_bytes(content)

    said = care.fsck()

    assert said
    assert all(str(store.path) in words or REF in words for words in said)


def test_a_tree_that_came_before_the_files_that_it_names_is_no_damage(store: TreeStore) -> None:
    commit(store, b"text\n")
    # git looks into what a file of this name says of others
    with store.staged():
        blob = store.write_blob(b"*.ml filter=x\n")
    store.write_tree({".gitattributes": Entry(Mode.FILE, blob)})

    assert Upkeep(store).fsck() == ()


def test_a_git_that_fails_is_one_clear_error(store: TreeStore) -> None:
    history(store, 2)
    for path in (store.path / "objects/pack").glob("*.pack"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-30])

    with pytest.raises(EnvironmentFault, match="git repack"):
        Upkeep(store).repack(thorough=True)
