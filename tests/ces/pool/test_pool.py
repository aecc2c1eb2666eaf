"""The pool: builds of named revisions, made in the background, handed out only when green."""

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import pytest

from greenloop.builds.stop import Stop
from greenloop.records import Cancelled, InfrastructureError, InputError, Overloaded, Suite

if TYPE_CHECKING:
    from tests.ces.pool.conftest import Make, Team


def test_a_green_revision_is_warmed_once_and_told_of(team: "Team", make: "Make") -> None:
    pool = make()
    assert pool.builds() == ()
    begun = pool.warm_later("main")
    assert begun.state in {"queued", "warming"}
    build = pool.ensure("main")
    assert (build.state, build.tests, build.flaky, build.diagnostics) == ("green", ("one", "two"), (), ())
    assert build.tree == pool.find("main").tree == team.git("rev-parse", "HEAD^{tree}")
    assert build.bytes > 0
    assert build.seconds > 0
    assert len(build.toolchain) == 64
    assert build.note == f"commit {team.git('rev-parse', 'HEAD')[:12]}"
    assert pool.warm_later("main") == build
    assert pool.ensure("HEAD").tree == build.tree
    assert pool.builds()[0].names == ("HEAD", "main")
    assert len(pool.builds()) == 1


def test_a_red_revision_is_never_handed_out(team: "Team", make: "Make") -> None:
    pool = make()
    team.commit({"check.sh": "echo 'f1.txt:3: error: no such thing'; exit 1\n"}, "broken")
    team.commit({"test.sh": "echo one ok; echo two FAIL; exit 1\n"}, "failing")
    for branch, said in (("broken", "f1.txt: no such thing"), ("failing", "test failed: two")):
        build = pool.ensure(branch)
        assert build.state == "red"
        assert build.diagnostics
        with (
            pytest.raises(InputError, match=f"base-not-green: {branch} is red: .*{said}"),
            pool.base_for(team.request(branch)),
        ):
            pass
    assert list(team.shelf.glob("*/")) == []


def test_what_the_machine_cannot_make_is_failed_not_red_and_tried_again(team: "Team", make: "Make") -> None:
    pool = make()
    team.commit({"warm.sh": "mkdir -p out; echo x > out/built; exit 3\n"}, "unbuilt")
    build = pool.ensure("unbuilt")
    assert build.state == "failed"
    assert "not built in time" in build.note
    with pytest.raises(InfrastructureError, match="base-not-green"), pool.base_for(team.request("unbuilt")):
        pass
    assert pool.warm_later("unbuilt").state in {"queued", "warming"}


def test_a_branch_that_moves_is_warmed_anew(team: "Team", make: "Make") -> None:
    pool = make()
    old = pool.ensure("main")
    commit = team.commit({"f0.txt": "moved\n"})
    new = pool.ensure("main")
    assert new.tree != old.tree
    with pool.base_for(team.request("main")) as build:
        assert (build.tree, build.note) == (new.tree, f"commit {commit[:12]}")


def test_a_revision_that_is_none_is_refused(team: "Team", make: "Make") -> None:
    pool = make()
    for call in (pool.warm_later, pool.ensure, pool.find):
        with pytest.raises(InputError):
            call("no-such-branch")
    with pytest.raises(InputError), pool.base_for(team.request("no-such-branch")):
        pass
    assert pool.builds() == ()


def test_tests_that_disagree_are_flaky_and_not_expected(team: "Team", make: "Make") -> None:
    lot = "case $(cat /proc/sys/kernel/random/uuid) in [0-7]*) echo odd ok;; *) echo odd FAIL; bad=1;; esac\n"
    team.commit({"test.sh": f"bad=0\necho one ok\n{lot}exit $bad\n"}, "flaky")
    build = make(repeats=14).ensure("flaky")
    assert (build.state, build.tests, build.flaky) == ("green", ("one",), ("odd",))


def test_many_who_want_the_same_revision_share_one_build(team: "Team", make: "Make") -> None:
    team.commit({"warm.sh": "mkdir -p out; sleep 1; cat /proc/sys/kernel/random/uuid > out/built\n"}, "slow")
    pool, found = make(warmers=2), list[str]()

    def want() -> None:
        with pool.base_for(team.request("slow")) as build:
            found.append((team.folder(build) / "w/out/built").read_text())

    threads = [threading.Thread(target=want) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert pool.builds()[0].uses == 6


def test_evaluations_go_on_while_another_revision_is_warmed(team: "Team", make: "Make") -> None:
    engine = team.engine()
    pool = make(engine=engine)
    pool.ensure("main")
    team.commit({"warm.sh": "mkdir -p out; sleep 60\n"}, "endless")
    assert pool.warm_later("endless").state in {"queued", "warming"}
    team.wait_for(lambda: team.state(pool, "endless") == "warming")
    for number in range(3):
        with pool.base_for(team.request("main")) as build:
            tree = team.edited(build.tree, {"f0.txt": f"{number + 10}\n"})
            assert engine.trial(tree, Suite.TEST, base=build.tree).verdict.green
    assert team.state(pool, "endless") == "warming"
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 10
    assert [path.name for path in team.shelf.glob(".*/")] == []


def test_who_waits_is_cancelled_and_the_build_goes_on(team: "Team", make: "Make") -> None:
    team.commit({"warm.sh": "mkdir -p out; sleep 2; echo x > out/built\n"}, "slow")
    pool = make()
    with Stop() as stop:
        threading.Timer(0.3, stop.request).start()
        with pytest.raises(Cancelled), pool.base_for(team.request("slow"), stop):
            pass
        with pytest.raises(Cancelled):
            pool.ensure("slow", stop)
    assert pool.ensure("slow").state == "green"


def test_patience_ends(team: "Team", make: "Make") -> None:
    team.commit({"warm.sh": "mkdir -p out; sleep 60\n"}, "endless")
    pool = make(patience=0.2)
    with pytest.raises(Overloaded, match="still being warmed"), pool.base_for(team.request("endless")):
        pass


def test_what_is_waited_for_comes_before_what_is_not(team: "Team", make: "Make") -> None:
    pool = make()
    slow = "mkdir -p out; sleep 1; echo x > out/built\n"
    for branch in "abc":
        team.commit({"warm.sh": slow, "name": branch}, branch)
        pool.warm_later(branch)
    pool.ensure("c")
    assert team.state(pool, "b") in {"queued", "warming"}


def test_only_so_many_may_wait_to_be_warmed(team: "Team", make: "Make") -> None:
    pool = make()
    team.commit({"warm.sh": "sleep 60\n"}, "endless")
    pool.warm_later("endless")
    commits = [team.commit({"n": str(number)}, "many") for number in range(66)]
    states = []
    with contextlib.suppress(Overloaded):
        states += [pool.warm_later(commit).state for commit in commits[:-1]]
    with pytest.raises(Overloaded, match="64 revisions wait"):
        pool.warm_later(commits[-1])
