"""Warm trees: near ones are shared, far ones made anew, evicted only when nobody holds them, and never damaged."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenloop.builds.sandbox import Command
from greenloop.builds.shelf import Shelf
from greenloop.builds.stop import Stop
from greenloop.builds.warm import MAX_DISTANCE, WarmTrees
from greenloop.records import Cancelled, TreeId

if TYPE_CHECKING:
    from tests.builds.conftest import Bench

PREPARE = Command(("/bin/sh", "-c", "mkdir -p _build; echo warmed >> _build/log"))


def warm_trees(bench: "Bench", *commands: Command, keep: int = 3, kind: str = "k") -> WarmTrees:
    return WarmTrees(
        bench.root / "warm",
        kind=kind,
        store=bench.store,
        sandbox=bench.sandbox,
        commands=commands or (PREPARE,),
        products=frozenset({"_build"}),
        keep=keep,
    )


def many(bench: "Bench", count: int, prefix: str = "f") -> TreeId:
    return bench.tree({f"{prefix}{number}.txt": f"{number}\n" for number in range(count)})


def test_a_near_tree_runs_above_it_and_leaves_it_as_it_was(bench: "Bench") -> None:
    base = many(bench, 8)
    near = bench.edit(base, {"f0.txt": "changed\n", "f1.txt": None, "new/g.txt": "new\n"})
    trees = warm_trees(bench)
    with trees.near(base) as warm:
        assert (warm.tree, warm.built) == (base, True)
    show = Command(("/bin/sh", "-c", "cat _build/log f0.txt new/g.txt; ls; echo spoilt > _build/log; rm f2.txt"))
    with trees.near(near) as warm:
        assert warm.tree == base
        for _ in range(2):
            (done,) = trees.run_over(warm, near, [show])
            assert done.stdout.decode().split() == [
                *("warmed", "changed", "new"),
                *("_build", "f0.txt", "f2.txt", "f3.txt", "f4.txt", "f5.txt", "f6.txt", "f7.txt", "new"),
            ]
        assert (warm.folder / "_build" / "log").read_text() == "warmed\n"
        assert (warm.folder / "f2.txt").exists()


@pytest.mark.parametrize(("files", "changed", "same"), [(8, 4, True), (8, 5, False), (20, 10, True), (20, 11, False)])
def test_half_of_the_files_is_far(bench: "Bench", files: int, changed: int, same: bool) -> None:
    base = many(bench, files)
    other = bench.edit(base, {f"f{number}.txt": "changed\n" for number in range(changed)})
    trees = warm_trees(bench)
    with trees.near(base):
        pass
    with trees.near(other) as warm:
        assert (warm.tree == base) is same


def test_many_files_are_far_however_large_the_tree(bench: "Bench") -> None:
    base = many(bench, 100)
    other = bench.edit(base, {f"f{number}.txt": "changed\n" for number in range(MAX_DISTANCE + 1)})
    trees = warm_trees(bench)
    with trees.near(base), trees.near(other) as warm:
        assert warm.tree == other


def test_the_longest_unused_goes_first_but_never_one_that_is_held(bench: "Bench") -> None:
    distinct = [many(bench, 6, prefix) for prefix in "abcd"]
    trees = warm_trees(bench, keep=2)
    with trees.near(distinct[0]) as first:
        for tree in distinct[1:]:
            with trees.near(tree):
                pass
        assert (first.folder / "_build" / "log").exists()
        left = {folder.name for folder in (bench.root / "warm").glob("k-*/")}
        assert left == {f"k-{tree}" for tree in (distinct[0], distinct[2], distinct[3])}
    with trees.near(many(bench, 6, "e")):
        pass
    assert not (bench.root / "warm" / f"k-{distinct[0]}").exists()


def test_what_a_build_does_to_sources_is_undone(bench: "Bench") -> None:
    base = bench.tree({"src/a.txt": "a\n", "b.txt": "b\n", "c/d.txt": "d\n"})
    outside = bench.root / "outside"
    outside.mkdir()
    spoil = Command(
        (
            *("/bin/sh", "-c"),
            f"mkdir _build; echo spoilt > b.txt; rm -r src; ln -s {outside} src; rm -r c; echo x > c;"
            " mkdir -p stray/deep; echo x > stray/deep/file; mkdir -p _build/kept; chmod 000 stray/deep",
        )
    )
    with warm_trees(bench, spoil).near(base) as warm:
        found = {path.relative_to(warm.folder).as_posix() for path in warm.folder.rglob("*")}
        assert found == {"src", "src/a.txt", "b.txt", "c", "c/d.txt", "_build", "_build/kept"}
        assert (warm.folder / "b.txt").read_text() == "b\n"
        assert not (warm.folder / "src").is_symlink()
    assert list(outside.iterdir()) == []


def test_a_build_that_fails_is_a_start_too_but_not_called_built(bench: "Bench") -> None:
    with warm_trees(bench, Command(("/bin/sh", "-c", "mkdir _build; exit 1"))).near(many(bench, 2)) as warm:
        assert not warm.built
        assert (warm.folder / "_build").is_dir()


def test_threads_that_ask_at_once_share_one_build(bench: "Bench") -> None:
    base = many(bench, 6)
    others = [bench.edit(base, {"f0.txt": f"{number}\n"}) for number in range(4)]
    trees = warm_trees(bench, Command(("/bin/sh", "-c", "mkdir _build; sleep 0.2; date +%N > _build/log")))
    logs: list[str] = []

    def ask(tree: TreeId) -> None:
        with trees.near(tree) as warm:
            logs.append((warm.folder / "_build" / "log").read_text())

    threads = [threading.Thread(target=ask, args=(tree,)) for tree in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(logs) == 4
    assert len(set(logs)) == 1


CHILD = """
import sys
from pathlib import Path
from greenloop.builds.sandbox import Bubblewrap, Command
from greenloop.builds.warm import WarmTrees
from greenloop.workspace.store import TreeStore
root, script, rounds, *trees = sys.argv[1:]
store = TreeStore(Path(root) / "store")
warm_trees = WarmTrees(Path(root) / "warm", kind="k", store=store, sandbox=Bubblewrap(),
    commands=(Command(("/bin/sh", "-c", script)),), products=frozenset({"_build"}), keep=1)
for _ in range(int(rounds)):
    for tree in trees:
        with warm_trees.near(tree) as warm:
            (done,) = warm_trees.run_over(warm, tree, [Command(("/bin/cat", "_build/log"))])
            assert done.stdout == b"whole\\n", done
print("fine")
"""


@pytest.fixture
def start(bench: "Bench") -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts processes that use warm trees; ends those that a test leaves."""
    with contextlib.ExitStack() as children:

        def run(script: str, rounds: int, *trees: TreeId) -> subprocess.Popen[bytes]:
            argv = [sys.executable, "-c", CHILD, str(bench.root), script, str(rounds), *trees]
            child = children.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE))
            children.callback(child.kill)
            return child

        yield run


def test_processes_that_evict_each_others_trees_do_not_disturb_each_other(
    bench: "Bench", start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    distinct = [many(bench, 6, prefix) for prefix in "abc"]
    script = "mkdir _build; echo whole > _build/log"
    first, second = start(script, 4, *distinct), start(script, 4, *reversed(distinct))
    assert first.communicate()[0] == b"fine\n"
    assert second.communicate()[0] == b"fine\n"
    assert len(list((bench.root / "warm").glob("k-*/"))) <= 3


def test_a_kill_while_warming_leaves_nothing_that_is_taken_for_whole(
    bench: "Bench", start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    base = many(bench, 6)
    child = start("mkdir _build; echo half > _build/log; sleep 60", 1, base)
    deadline = time.monotonic() + 60
    while not list((bench.root / "warm").glob(".k-*/w/_build/log")):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.kill()
    child.wait()
    assert list((bench.root / "warm").glob("k-*/")) == []
    with warm_trees(bench, Command(("/bin/sh", "-c", "mkdir _build; echo whole > _build/log"))).near(base) as warm:
        assert (warm.folder / "_build" / "log").read_text() == "whole\n"
    assert [path.name for path in (bench.root / "warm").iterdir() if path.is_dir()] == [f"k-{base}"]


def test_what_was_killed_long_ago_is_cleared_away(bench: "Bench") -> None:
    stale = bench.root / "warm" / ".delta-old"
    stale.mkdir(parents=True)
    os.utime(stale, (1, 1))
    with warm_trees(bench).near(many(bench, 2)):
        assert not stale.exists()


def test_above_a_named_base_nothing_else_is_made_however_far_the_tree(bench: "Bench") -> None:
    base, far = many(bench, 50), many(bench, 50, "other")
    trees = warm_trees(bench)
    with trees.near(far), trees.near(far, base) as warm:
        assert warm.tree == base
        (done,) = trees.run_over(warm, far, [Command(("/bin/sh", "-c", "cat _build/log; ls | wc -l"))])
        assert done.stdout.split() == [b"warmed", b"51"]
    changed = bench.edit(base, {"f0.txt": "changed\n"})
    with trees.near(changed, base) as warm:
        assert warm.tree == base
    assert {place.tree for place in Shelf(bench.root / "warm").places()} == {base, far}


def test_a_richer_build_of_the_base_serves(bench: "Bench") -> None:
    base = many(bench, 6)
    richer = WarmTrees(
        bench.root / "warm", kind="k", richer=("deep",), store=bench.store, sandbox=bench.sandbox, commands=(PREPARE,)
    )
    with warm_trees(bench, kind="deep").near(base), richer.near(base, base) as warm:
        assert warm.folder.parent.name == f"deep-{base}"


def test_warming_is_stopped_at_once_and_leaves_nothing(bench: "Bench") -> None:
    base = many(bench, 6)
    trees = warm_trees(bench, Command(("/bin/sh", "-c", "mkdir _build; touch _build/begun; sleep 60")))
    with Stop() as stop:
        threading.Thread(target=request_when, args=(stop, bench.root / "warm", ".k-*/w/_build/begun")).start()
        with pytest.raises(Cancelled), trees.near(base, base, stop):
            pass
    assert [path.name for path in (bench.root / "warm").iterdir() if path.is_dir()] == []
    with warm_trees(bench).near(base, base) as warm:
        assert warm.built


def test_who_waits_for_somebody_elses_build_is_stopped_and_that_build_goes_on(bench: "Bench") -> None:
    base = many(bench, 6)
    trees = warm_trees(bench, Command(("/bin/sh", "-c", "mkdir _build; touch _build/begun; sleep 2")))
    built: list[bool] = []

    def make() -> None:
        with trees.near(base, base) as warm:
            built.append(warm.built)

    maker = threading.Thread(target=make)
    maker.start()
    with Stop() as stop:
        request_when(stop, bench.root / "warm", ".k-*/w/_build/begun")
        with pytest.raises(Cancelled), trees.near(base, base, stop):
            pass
    maker.join()
    assert built == [True]


def test_running_above_a_warm_tree_is_stopped_at_once(bench: "Bench") -> None:
    base = many(bench, 6)
    trees = warm_trees(bench)
    with Stop() as stop, trees.near(base, base) as warm:
        threading.Timer(0.3, stop.request).start()
        with pytest.raises(Cancelled):
            trees.run_over(warm, base, [Command(("/bin/sleep", "60"))], stop)
    assert not list((bench.root / "warm").glob(".delta-*"))


def request_when(stop: Stop, root: Path, pattern: str) -> None:
    """Ask for the end when a file has appeared."""
    deadline = time.monotonic() + 60
    while not list(root.glob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    stop.request()


def test_different_bases_are_made_at_the_same_time(bench: "Bench") -> None:
    both = [many(bench, 6, prefix) for prefix in "ab"]
    trees = warm_trees(bench, Command(("/bin/sh", "-c", "mkdir _build; sleep 60")))
    with Stop() as stop:
        threads = [threading.Thread(target=hold, args=(trees, tree, stop)) for tree in both]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 60
        while len(list((bench.root / "warm").glob(".k-*/w/_build"))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        stop.request()
        for thread in threads:
            thread.join()


def hold(trees: WarmTrees, tree: TreeId, stop: Stop) -> None:
    with contextlib.suppress(Cancelled), trees.near(tree, tree, stop):
        pass
