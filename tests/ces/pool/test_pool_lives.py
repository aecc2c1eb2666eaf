"""Pools that end, are killed, begin again and share a shelf: what is green stays, and nothing else does."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenloop.records import InfrastructureError, Suite

if TYPE_CHECKING:
    from tests.ces.pool.conftest import Make, Team


def test_a_new_life_finds_the_green_builds_again_without_building(team: "Team", make: "Make") -> None:
    first = make()
    team.commit({"name": "b"}, "b")
    team.commit({"check.sh": "exit 1\n"}, "red")
    main, other = first.ensure("main"), first.ensure("b")
    first.ensure("red")
    with first.base_for(team.request("b")):
        pass
    first.close()
    before = {build.tree: team.digest(build) for build in (main, other)}
    second = make()
    assert {build.tree for build in second.load()} == {main.tree, other.tree}
    assert second.builds()[0].model_copy(update={"uses": 0}) == other
    with second.base_for(team.request("main")) as build:
        assert build.tests == ("one", "two")
    assert {build.tree: team.digest(build) for build in (main, other)} == before


@pytest.mark.parametrize("harm", ["gone", "changed", "added"])
def test_what_is_not_as_it_was_is_forgotten(team: "Team", make: "Make", harm: str) -> None:
    pool = make()
    build = pool.ensure("main")
    pool.close()
    folder = team.folder(build)
    match harm:
        case "gone":
            subprocess.run(["rm", "-rf", str(folder)], check=True)
        case "changed":
            (folder / "w/out/built").write_text("poison")
        case "added":
            (folder / "w/out/more").touch()
    second = make()
    assert second.load() == ()
    assert list(team.shelf.glob("*/")) == []
    assert second.ensure("main").state == "green"


def test_other_tools_make_other_builds(team: "Team", make: "Make") -> None:
    pool = make()
    pool.ensure("main")
    pool.close()
    assert make(engine=team.engine(version="2")).load() == ()


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.ces.pool.conftest import TOOLS
from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap, Limits
from greenloop.builds.toolchains.command import CommandToolchain
from greenloop.builds.verdicts import VerdictStore
from greenloop.ces.pool import Pool
from greenloop.ces.revisions import Revisions
from greenloop.workspace.store import TreeStore
root, keep = Path(sys.argv[1]), int(sys.argv[3])
store = TreeStore(root / "store")
engine = Engine(store=store, verdicts=VerdictStore(root / "verdicts.sqlite"), toolchain=CommandToolchain(TOOLS),
    sandbox=Bubblewrap(limits=Limits(wall_seconds=60)), scratch=root / "scratch")
pool = Pool(engine=engine, store=store, revisions=Revisions(store, {"ours": root / "repo"}), root=root / "pool",
    repeats=1, disk_mib=1000, keep=keep)
pool.load()
print(engine.fingerprint, flush=True)
for branch in sys.argv[4:]:
    build = pool.ensure(branch)
    print(branch, build.state, flush=True)
pool.close()
"""


@pytest.fixture
def start(team: "Team") -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts processes with pools of their own on the same folders; ends those that a test leaves."""
    with contextlib.ExitStack() as children:

        def run(keep: int, *branches: str) -> subprocess.Popen[bytes]:
            root = Path(__file__).parents[3]
            argv = [sys.executable, "-c", CHILD, str(team.root), str(root), str(keep), *branches]
            child = children.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE))
            children.callback(child.kill)
            return child

        yield run


def test_a_kill_while_warming_leaves_the_green_ones_and_no_half_one(
    team: "Team", make: "Make", start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    team.commit({"warm.sh": "mkdir -p out; touch out/begun; sleep 60\n"}, "endless")
    child = start(8, "main", "endless")
    team.wait_for(lambda: list(team.shelf.glob(".*/w/out/begun")) or child.poll() is not None)
    assert child.poll() is None
    child.kill()
    assert child.stdout is not None
    assert child.stdout.readline().decode().strip() == team.engine().fingerprint
    child.wait()
    pool = make()
    (build,) = pool.load()
    assert (build.revision, build.state) == ("main", "green")
    assert [path.name for path in team.shelf.iterdir() if path.is_dir()] == [team.kept(build)]
    with pool.base_for(team.request("main")) as held:
        assert held.tree == build.tree


def test_two_processes_on_one_shelf_share_builds_and_spare_each_others(
    team: "Team", make: "Make", start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    for branch in "abc":
        team.commit({"name": branch}, branch)
    pool = make(keep=1)
    with pool.base_for(team.request("a")) as held:
        before = team.digest(held)
        child = start(1, "a", "b", "c", "b", "a")
        out, _ = child.communicate()
        assert out.split(b"\n")[1:-1] == [b"a green", b"b green", b"c green", b"b green", b"a green"]
        assert team.digest(held) == before
    with pool.base_for(team.request("a")) as again:
        assert again.tree == held.tree


def test_what_runs_above_a_build_cannot_change_it(team: "Team", make: "Make") -> None:
    engine = team.engine()
    pool = make(engine=engine)
    harm = (
        "echo poison > out/built; rm -rf out; mkdir -p out; echo poison > out/built; ln -sf /w/out out/self;"
        " chmod -R 777 . ; touch f0.txt; for up in /w .. /proc/*/root/w; do echo x > $up/poison; done; exit 0\n"
    )
    build = pool.ensure("main")
    before = team.digest(build)
    with pool.base_for(team.request("main")) as held:
        for script in ("check.sh", "test.sh"):
            tree = team.edited(held.tree, {script: harm + "echo one ok; echo two ok\n"})
            engine.trial(tree, Suite.TEST, base=held.tree, fresh=True)
            assert team.digest(build) == before
        clean = engine.trial(team.edited(held.tree, {"f0.txt": "x\n"}), Suite.TEST, base=held.tree).verdict
        assert clean.green
    assert len(list(team.shelf.glob("*/"))) == 1


def test_a_closed_pool_says_so(team: "Team", make: "Make") -> None:
    pool = make()
    pool.ensure("main")
    pool.close()
    pool.close()
    with pytest.raises(InfrastructureError, match="closed"):
        pool.ensure("main")
    with pytest.raises(InfrastructureError, match="closed"), pool.base_for(team.request("main")):
        pass


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_held_and_nothing_runs_after_the_end(team: "Team", make: "Make") -> None:
    before = open_files()
    engine = team.engine()
    pool = make(engine=engine)
    pool.ensure("main")
    assert engine.warm.held()
    pool.close()
    assert engine.warm.held() == frozenset()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("ces-warmer")]
    # the stores' own databases stay open
    assert open_files() <= before + 8
