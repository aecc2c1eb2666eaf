"""The pool: builds of named revisions, made in the background, handed out only when green, evicted only when unused.

The tools are shell scripts that the revisions themselves hold, judged by the real engine in the real sandbox.
"""

import contextlib
import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap, Limits
from greenloop.builds.shelf import Hold
from greenloop.builds.stop import Stop
from greenloop.builds.toolchains.command import CommandConfig, CommandToolchain
from greenloop.builds.verdicts import VerdictStore
from greenloop.ces.pool import Pool
from greenloop.ces.revisions import Revisions
from greenloop.records import (
    Cancelled,
    EvaluationRequest,
    InfrastructureError,
    InputError,
    Overloaded,
    Suite,
    TreeId,
    WarmBuild,
)
from greenloop.workspace.store import Entry, Mode, TreeStore

TOOLS = CommandConfig(
    check="sh check.sh",
    build="cat out/built",
    test="sh test.sh",
    warm=("sh warm.sh",),
    test_pattern=r"^(?P<name>\w+) (?P<status>ok|FAIL)$",
    warm_seconds=30,
)
GREEN = {
    "check.sh": "exit 0\n",
    "warm.sh": "mkdir -p out; echo built > out/built\n",
    "test.sh": "echo one ok; echo two ok\n",
    **{f"f{number}.txt": f"{number}\n" for number in range(8)},
}
Make = Callable[..., Pool]


class Team:
    """A git repository, and all that a pool needs, in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.repo = root / "repo"
        self.store = TreeStore(root / "store")
        self.repo.mkdir()
        self.git("init", "-q", "-b", "main")
        self.commit(GREEN)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.repo, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def commit(self, files: Mapping[str, str], branch: str = "main") -> str:
        """Write files and commit them on a branch that begins at main where it is new."""
        exists = self.git("branch", "--list", branch)
        if branch != "main":
            self.git("checkout", "-q", *(() if exists else ("-b",)), branch)
        for path, text in files.items():
            (self.repo / path).parent.mkdir(parents=True, exist_ok=True)
            (self.repo / path).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        commit = self.git("rev-parse", "HEAD")
        self.git("checkout", "-q", "main")
        return commit

    def engine(self) -> Engine:
        return Engine(
            store=self.store,
            verdicts=VerdictStore(self.root / "verdicts.sqlite"),
            toolchain=CommandToolchain(TOOLS),
            sandbox=Bubblewrap(limits=Limits(wall_seconds=60)),
            scratch=self.root / "scratch",
        )

    def edited(self, tree: TreeId, files: Mapping[str, str]) -> TreeId:
        return self.store.update(
            tree, {path: Entry(Mode.FILE, self.store.write_blob(text.encode())) for path, text in files.items()}
        )

    @property
    def shelf(self) -> Path:
        return self.root / "scratch" / "warm"


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


@pytest.fixture
def make(team: Team) -> Iterator[Make]:
    """Return a function that opens a pool, closed when the test ends."""
    with contextlib.ExitStack() as stack:

        def pool(**settings: object) -> Pool:
            given: dict[str, object] = {"repeats": 1, "disk_mib": 1000, "keep": 8} | settings
            made = Pool(
                engine=given.pop("engine", None) or team.engine(),  # type: ignore[arg-type]
                store=team.store,
                revisions=Revisions(team.store, {"ours": team.repo}),
                root=team.root / "pool",
                **given,  # type: ignore[arg-type]
            )
            stack.callback(made.close)
            return made

        yield pool


def request(revision: str | None = None, base_tree: TreeId | None = None) -> EvaluationRequest:
    return EvaluationRequest(revision=revision, base_tree=base_tree, diff="x")


def wait_for(truth: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not truth():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def disk_mib(folder: Path) -> int:
    du = subprocess.run(["du", "-s", "--block-size=1M", str(folder)], capture_output=True, check=False)
    return int(du.stdout.split()[0])


def state(pool: Pool, revision: str) -> str:
    return next((build.state for build in pool.builds() if build.revision == revision), "")


def digest(folder: Path) -> str:
    """Hash every path below a folder with its mode, times and content."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found.update(repr((str(path), status.st_mode, status.st_mtime_ns, status.st_ctime_ns, content)).encode())
    return found.hexdigest()


def test_a_green_revision_is_warmed_once_and_told_of(team: Team, make: Make) -> None:
    pool = make()
    assert pool.builds() == ()
    begun = pool.warm_later("main")
    assert begun.state in {"queued", "warming"}
    build = pool.ensure("main")
    assert (build.state, build.tests, build.flaky, build.diagnostics) == ("green", ("one", "two"), (), ())
    assert build.tree == pool.resolve("main") == team.git("rev-parse", "HEAD^{tree}")
    assert build.bytes > 0
    assert build.seconds > 0
    assert len(build.toolchain) == 64
    assert build.note == f"commit {team.git('rev-parse', 'HEAD')[:12]}"
    assert pool.warm_later("main") == build
    assert pool.ensure("HEAD").tree == build.tree
    assert len(pool.builds()) == 1


def test_a_red_revision_is_never_handed_out(team: Team, make: Make) -> None:
    pool = make()
    team.commit({"check.sh": "echo 'f1.txt:3: error: no such thing'; exit 1\n"}, "broken")
    team.commit({"test.sh": "echo one ok; echo two FAIL; exit 1\n"}, "failing")
    for branch, said in (("broken", "f1.txt: no such thing"), ("failing", "test failed: two")):
        build = pool.ensure(branch)
        assert build.state == "red"
        assert build.diagnostics
        with (
            pytest.raises(InputError, match=f"base-not-green: {branch} is red: .*{said}"),
            pool.base_for(request(branch)),
        ):
            pass
    assert list(team.shelf.glob("*/")) == []


def test_what_the_machine_cannot_make_is_failed_not_red_and_tried_again(team: Team, make: Make) -> None:
    pool = make()
    team.commit({"warm.sh": "mkdir -p out; echo x > out/built; exit 3\n"}, "unbuilt")
    build = pool.ensure("unbuilt")
    assert build.state == "failed"
    assert "not built in time" in build.note
    with pytest.raises(InfrastructureError, match="base-not-green"), pool.base_for(request("unbuilt")):
        pass
    assert pool.warm_later("unbuilt").state in {"queued", "warming"}


def test_a_branch_that_moves_is_warmed_anew(team: Team, make: Make) -> None:
    pool = make()
    old = pool.ensure("main")
    commit = team.commit({"f0.txt": "moved\n"})
    new = pool.ensure("main")
    assert new.tree != old.tree
    with pool.base_for(request("main")) as build:
        assert (build.tree, build.note) == (new.tree, f"commit {commit[:12]}")


def test_a_revision_that_is_none_is_refused(make: Make) -> None:
    pool = make()
    for call in (pool.warm_later, pool.ensure, pool.resolve):
        with pytest.raises(InputError):
            call("no-such-branch")
    with pytest.raises(InputError), pool.base_for(request("no-such-branch")):
        pass
    assert pool.builds() == ()


def test_tests_that_disagree_are_flaky_and_not_expected(team: Team, make: Make) -> None:
    lot = "case $(cat /proc/sys/kernel/random/uuid) in [0-7]*) echo odd ok;; *) echo odd FAIL; bad=1;; esac\n"
    team.commit({"test.sh": f"bad=0\necho one ok\n{lot}exit $bad\n"}, "flaky")
    build = make(repeats=14).ensure("flaky")
    assert (build.state, build.tests, build.flaky) == ("green", ("one",), ("odd",))


def test_many_who_want_the_same_revision_share_one_build(team: Team, make: Make) -> None:
    team.commit({"warm.sh": "mkdir -p out; sleep 1; cat /proc/sys/kernel/random/uuid > out/built\n"}, "slow")
    pool, found = make(warmers=2), list[str]()

    def want() -> None:
        with pool.base_for(request("slow")) as build:
            found.append((team.shelf / kept(team, build) / "w/out/built").read_text())

    threads = [threading.Thread(target=want) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert pool.builds()[0].uses == 6


def kept(team: Team, build: WarmBuild) -> str:
    (folder,) = team.shelf.glob(f"*-{build.tree}/")
    return folder.name


def test_evaluations_go_on_while_another_revision_is_warmed(team: Team, make: Make) -> None:
    engine = team.engine()
    pool = make(engine=engine)
    pool.ensure("main")
    team.commit({"warm.sh": "mkdir -p out; sleep 60\n"}, "endless")
    assert pool.warm_later("endless").state in {"queued", "warming"}
    wait_for(lambda: state(pool, "endless") == "warming")
    for number in range(3):
        with pool.base_for(request("main")) as build:
            tree = team.edited(build.tree, {"f0.txt": f"{number + 10}\n"})
            assert engine.trial(tree, Suite.TEST, base=build.tree).verdict.green
    assert state(pool, "endless") == "warming"
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 10
    assert [path.name for path in team.shelf.glob(".*/")] == []


def test_who_waits_is_cancelled_and_the_build_goes_on(team: Team, make: Make) -> None:
    team.commit({"warm.sh": "mkdir -p out; sleep 2; echo x > out/built\n"}, "slow")
    pool = make()
    with Stop() as stop:
        threading.Timer(0.3, stop.request).start()
        with pytest.raises(Cancelled), pool.base_for(request("slow"), stop):
            pass
        with pytest.raises(Cancelled):
            pool.ensure("slow", stop)
    assert pool.ensure("slow").state == "green"


def test_patience_ends(team: Team, make: Make) -> None:
    team.commit({"warm.sh": "mkdir -p out; sleep 60\n"}, "endless")
    pool = make(patience=0.2)
    with pytest.raises(Overloaded, match="still being warmed"), pool.base_for(request("endless")):
        pass


def test_what_is_waited_for_comes_before_what_is_not(team: Team, make: Make) -> None:
    pool = make()
    slow = "mkdir -p out; sleep 1; echo x > out/built\n"
    for branch in "abc":
        team.commit({"warm.sh": slow, "name": branch}, branch)
        pool.warm_later(branch)
    pool.ensure("c")
    assert state(pool, "b") in {"queued", "warming"}


def test_only_so_many_may_wait_to_be_warmed(team: Team, make: Make) -> None:
    pool = make()
    team.commit({"warm.sh": "sleep 60\n"}, "endless")
    pool.warm_later("endless")
    commits = [team.commit({"n": str(number)}, "many") for number in range(66)]
    states = []
    with contextlib.suppress(Overloaded):
        states += [pool.warm_later(commit).state for commit in commits[:-1]]
    with pytest.raises(Overloaded, match="64 revisions wait"):
        pool.warm_later(commits[-1])


def test_the_longest_unused_is_evicted_but_never_one_in_use(team: Team, make: Make) -> None:
    pool = make(keep=2)
    for branch in "abcd":
        team.commit({"name": branch}, branch)
    with pool.base_for(request("a")) as held:
        before = digest(team.shelf / kept(team, held))
        for branch in "bcd":
            pool.ensure(branch)
        wait_for(lambda: [state(pool, branch) for branch in "abcd"] == ["green", "evicted", "evicted", "green"])
        assert digest(team.shelf / kept(team, held)) == before
        wait_for(lambda: len(list(team.shelf.glob("*/"))) == 2)
    # until it was let go of it was in use, so that the other one is the longest unused now
    with pool.base_for(request("b")):
        wait_for(lambda: [state(pool, branch) for branch in "abcd"] == ["green", "green", "evicted", "evicted"])
    wait_for(lambda: len(list(team.shelf.glob("*/"))) == 2)


def test_whoever_else_of_this_process_holds_a_build_is_told_before_it_goes(team: Team, make: Make) -> None:
    engine, told, holds = team.engine(), list[TreeId](), list[Hold]()

    def release(tree: TreeId) -> None:
        told.append(tree)
        for hold in holds:
            hold.close()

    pool = make(engine=engine, keep=1, release=release)
    for branch in "ab":
        team.commit({"name": branch}, branch)
    tree = pool.ensure("a").tree
    (place,) = engine.warm.places(tree)
    holds += [hold for hold in (engine.warm.hold(place),) if hold is not None]
    pool.ensure("b")
    wait_for(lambda: not place.folder.exists())
    assert told == [tree]


def test_the_disk_budget_holds_and_counts_real_disk(team: Team, make: Make) -> None:
    fill = "mkdir -p out; head -c 3000000 /dev/urandom > out/built\n"
    pool = make(disk_mib=7)
    for branch in "abc":
        team.commit({"warm.sh": fill, "name": branch}, branch)
    with pool.base_for(request("a")) as held:
        assert 3_000_000 < held.bytes < 3_500_000
        pool.ensure("b")
        pool.ensure("c")
        wait_for(lambda: [state(pool, branch) for branch in "abc"] == ["green", "evicted", "green"])
    wait_for(lambda: disk_mib(team.shelf) <= 8)
    team.commit({"warm.sh": fill.replace("3000000", "9000000")}, "huge")
    huge = pool.ensure("huge")
    assert huge.state == "failed"
    assert "MiB of disk" in huge.note


def test_what_is_strange_on_the_shelf_goes_before_its_own(team: Team, make: Make) -> None:
    fill = "mkdir -p out; head -c 3000000 /dev/urandom > out/built\n"
    engine = team.engine()
    pool = make(engine=engine, disk_mib=7)
    for branch in "ab":
        team.commit({"warm.sh": fill, "name": branch}, branch)
    strange = team.edited(pool.resolve("a"), {"name": "strange"})
    assert engine.trial(strange, Suite.TEST, base=strange).verdict.green
    assert pool.ensure("a").state == pool.ensure("b").state == "green"
    wait_for(lambda: not list(team.shelf.glob(f"*-{strange}/")))
    assert [state(pool, branch) for branch in "ab"] == ["green", "green"]


def test_a_tree_is_judged_above_the_nearest_green_build(team: Team, make: Make) -> None:
    pool = make()
    team.commit({"f1.txt": "b\n", "f2.txt": "b\n"}, "b")
    team.commit({"check.sh": "exit 1\n"}, "red")
    main, other, red = (pool.ensure(branch).tree for branch in ("main", "b", "red"))
    near_main = team.edited(main, {"f5.txt": "edited\n"})
    near_other = team.edited(other, {"f5.txt": "edited\n"})
    near_red = team.edited(red, {"f5.txt": "edited\n"})
    for tree, base in ((main, main), (near_main, main), (near_other, other), (red, main), (near_red, main)):
        with pool.base_for(request(None, tree)) as build:
            assert build.tree == base
    with pool.base_for(request("b", near_main)) as build:
        assert build.tree == other
    far = team.edited(main, {f"f{number}.txt": "far\n" for number in range(8)})
    with pytest.raises(InputError, match="no green build is near"), pool.base_for(request(None, far)):
        pass
    with pytest.raises(InputError, match="no such tree"), pool.base_for(request(None, "0" * 40)):
        pass
    # nothing but revisions was ever built
    assert {folder.name.rpartition("-")[2] for folder in team.shelf.glob("*/")} == {main, other}


def test_a_tree_near_to_one_that_is_being_made_waits_for_it(team: Team, make: Make) -> None:
    team.commit({"warm.sh": "mkdir -p out; sleep 1; echo x > out/built\n"}, "slow")
    pool = make()
    tree = pool.warm_later("slow").tree
    with pool.base_for(request(None, team.edited(tree, {"f5.txt": "edited\n"}))) as build:
        assert (build.tree, build.state) == (tree, "green")


def test_a_new_life_finds_the_green_builds_again_without_building(team: Team, make: Make) -> None:
    first = make()
    team.commit({"name": "b"}, "b")
    team.commit({"check.sh": "exit 1\n"}, "red")
    main, other = first.ensure("main"), first.ensure("b")
    first.ensure("red")
    with first.base_for(request("b")):
        pass
    first.close()
    before = {build.tree: digest(team.shelf / kept(team, build)) for build in (main, other)}
    second = make()
    assert {build.tree for build in second.load()} == {main.tree, other.tree}
    assert second.builds()[0].model_copy(update={"uses": 0}) == other
    with second.base_for(request("main")) as build:
        assert build.tests == ("one", "two")
    assert {build.tree: digest(team.shelf / kept(team, build)) for build in (main, other)} == before


@pytest.mark.parametrize("harm", ["gone", "changed", "added"])
def test_what_is_not_as_it_was_is_forgotten(team: Team, make: Make, harm: str) -> None:
    pool = make()
    build = pool.ensure("main")
    pool.close()
    folder = team.shelf / kept(team, build)
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


def test_other_tools_make_other_builds(team: Team, make: Make) -> None:
    pool = make()
    pool.ensure("main")
    pool.close()
    engine = Engine(
        store=team.store,
        verdicts=VerdictStore(team.root / "verdicts.sqlite"),
        toolchain=CommandToolchain(TOOLS.model_copy(update={"version": "2"})),
        sandbox=Bubblewrap(limits=Limits(wall_seconds=60)),
        scratch=team.root / "scratch",
    )
    assert make(engine=engine).load() == ()


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.ces.test_pool import TOOLS
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
def start(team: Team) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts processes with pools of their own on the same folders; ends those that a test leaves."""
    with contextlib.ExitStack() as children:

        def run(keep: int, *branches: str) -> subprocess.Popen[bytes]:
            root = Path(__file__).parents[2]
            argv = [sys.executable, "-c", CHILD, str(team.root), str(root), str(keep), *branches]
            child = children.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE))
            children.callback(child.kill)
            return child

        yield run


def test_a_kill_while_warming_leaves_the_green_ones_and_no_half_one(
    team: Team, make: Make, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    team.commit({"warm.sh": "mkdir -p out; touch out/begun; sleep 60\n"}, "endless")
    child = start(8, "main", "endless")
    wait_for(lambda: list(team.shelf.glob(".*/w/out/begun")) or child.poll() is not None)
    assert child.poll() is None
    child.kill()
    assert child.stdout is not None
    assert child.stdout.readline().decode().strip() == team.engine().fingerprint
    child.wait()
    pool = make()
    (build,) = pool.load()
    assert (build.revision, build.state) == ("main", "green")
    assert [path.name for path in team.shelf.iterdir() if path.is_dir()] == [kept(team, build)]
    with pool.base_for(request("main")) as held:
        assert held.tree == build.tree


def test_two_processes_on_one_shelf_share_builds_and_spare_each_others(
    team: Team, make: Make, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    for branch in "abc":
        team.commit({"name": branch}, branch)
    pool = make(keep=1)
    with pool.base_for(request("a")) as held:
        before = digest(team.shelf / kept(team, held))
        child = start(1, "a", "b", "c", "b", "a")
        out, _ = child.communicate()
        assert out.split(b"\n")[1:-1] == [b"a green", b"b green", b"c green", b"b green", b"a green"]
        assert digest(team.shelf / kept(team, held)) == before
    with pool.base_for(request("a")) as again:
        assert again.tree == held.tree


def test_what_runs_above_a_build_cannot_change_it(team: Team, make: Make) -> None:
    engine = team.engine()
    pool = make(engine=engine)
    harm = (
        "echo poison > out/built; rm -rf out; mkdir -p out; echo poison > out/built; ln -sf /w/out out/self;"
        " chmod -R 777 . ; touch f0.txt; for up in /w .. /proc/*/root/w; do echo x > $up/poison; done; exit 0\n"
    )
    build = pool.ensure("main")
    before = digest(team.shelf / kept(team, build))
    with pool.base_for(request("main")) as held:
        for script in ("check.sh", "test.sh"):
            tree = team.edited(held.tree, {script: harm + "echo one ok; echo two ok\n"})
            engine.trial(tree, Suite.TEST, base=held.tree, fresh=True)
            assert digest(team.shelf / kept(team, build)) == before
        clean = engine.trial(team.edited(held.tree, {"f0.txt": "x\n"}), Suite.TEST, base=held.tree).verdict
        assert clean.green
    assert len(list(team.shelf.glob("*/"))) == 1


def test_a_closed_pool_says_so(make: Make) -> None:
    pool = make()
    pool.ensure("main")
    pool.close()
    pool.close()
    with pytest.raises(InfrastructureError, match="closed"):
        pool.ensure("main")
    with pytest.raises(InfrastructureError, match="closed"), pool.base_for(request("main")):
        pass


def test_nothing_is_held_and_nothing_runs_after_the_end(team: Team, make: Make) -> None:
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
