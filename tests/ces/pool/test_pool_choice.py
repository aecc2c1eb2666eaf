"""Which builds the pool keeps, and which one serves a tree."""

from functools import partial
from typing import TYPE_CHECKING

import pytest

from greenloop.builds.shelf import Hold
from greenloop.ces.pool import Pool
from greenloop.records import InputError, Suite, TreeId

if TYPE_CHECKING:
    from tests.ces.pool.conftest import Make, Team


def _green(team: "Team", pool: Pool, branch: str) -> bool:
    return team.state(pool, branch) == "green"


def test_the_longest_unused_is_evicted_but_never_one_in_use(team: "Team", make: "Make") -> None:
    pool = make(keep=2)
    for branch in "abcd":
        team.commit({"name": branch}, branch)
    with pool.base_for(team.request("a")) as held:
        before = team.digest(held)
        for branch in "bcd":
            pool.ensure(branch)
            # two are made at a time, and which of them is ready first is nobody's promise
            team.wait_for(partial(_green, team, pool, branch))
        team.wait_for(
            lambda: [team.state(pool, branch) for branch in "abcd"] == ["green", "evicted", "evicted", "green"]
        )
        assert team.digest(held) == before
        team.wait_for(lambda: len(list(team.shelf.glob("*/"))) == 2)
    # until it was let go of it was in use, so that the other one is the longest unused now
    with pool.base_for(team.request("b")):
        team.wait_for(
            lambda: [team.state(pool, branch) for branch in "abcd"] == ["green", "green", "evicted", "evicted"]
        )
    team.wait_for(lambda: len(list(team.shelf.glob("*/"))) == 2)


def test_whoever_else_of_this_process_holds_a_build_is_told_before_it_goes(team: "Team", make: "Make") -> None:
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
    team.wait_for(lambda: not place.folder.exists())
    assert told == [tree]


def test_the_disk_budget_holds_and_counts_real_disk(team: "Team", make: "Make") -> None:
    fill = "mkdir -p out; head -c 3000000 /dev/urandom > out/built\n"
    pool = make(disk_mib=7)
    for branch in "abc":
        team.commit({"warm.sh": fill, "name": branch}, branch)
    with pool.base_for(team.request("a")) as held:
        assert 3_000_000 < held.bytes < 3_500_000
        pool.ensure("b")
        pool.ensure("c")
        team.wait_for(lambda: [team.state(pool, branch) for branch in "abc"] == ["green", "evicted", "green"])
    team.wait_for(lambda: team.disk_mib() <= 8)
    team.commit({"warm.sh": fill.replace("3000000", "9000000")}, "huge")
    huge = pool.ensure("huge")
    assert huge.state == "failed"
    assert "MiB of disk" in huge.note


def test_what_is_strange_on_the_shelf_goes_before_its_own(team: "Team", make: "Make") -> None:
    fill = "mkdir -p out; head -c 3000000 /dev/urandom > out/built\n"
    engine = team.engine()
    pool = make(engine=engine, disk_mib=7)
    for branch in "ab":
        team.commit({"warm.sh": fill, "name": branch}, branch)
    strange = team.edited(pool.find("a").tree, {"name": "strange"})
    assert engine.trial(strange, Suite.TEST, base=strange).verdict.green
    assert pool.ensure("a").state == pool.ensure("b").state == "green"
    team.wait_for(lambda: not list(team.shelf.glob(f"*-{strange}/")))
    assert [team.state(pool, branch) for branch in "ab"] == ["green", "green"]


def test_a_tree_is_judged_above_the_nearest_green_build(team: "Team", make: "Make") -> None:
    pool = make()
    team.commit({"f1.txt": "b\n", "f2.txt": "b\n"}, "b")
    team.commit({"check.sh": "exit 1\n"}, "red")
    main, other, red = (pool.ensure(branch).tree for branch in ("main", "b", "red"))
    near_main = team.edited(main, {"f5.txt": "edited\n"})
    near_other = team.edited(other, {"f5.txt": "edited\n"})
    near_red = team.edited(red, {"f5.txt": "edited\n"})
    for tree, base in ((main, main), (near_main, main), (near_other, other), (red, main), (near_red, main)):
        with pool.base_for(team.request(None, tree)) as build:
            assert build.tree == base
    with pool.base_for(team.request("b", near_main)) as build:
        assert build.tree == other
    far = team.edited(main, {f"f{number}.txt": "far\n" for number in range(8)})
    with pytest.raises(InputError, match="no green build is near"), pool.base_for(team.request(None, far)):
        pass
    with pytest.raises(InputError, match="no such tree"), pool.base_for(team.request(None, "0" * 40)):
        pass
    # nothing but revisions was ever built
    assert {folder.name.rpartition("-")[2] for folder in team.shelf.glob("*/")} == {main, other}


def test_a_tree_near_to_one_that_is_being_made_waits_for_it(team: "Team", make: "Make") -> None:
    team.commit({"warm.sh": "mkdir -p out; sleep 1; echo x > out/built\n"}, "slow")
    pool = make()
    tree = pool.warm_later("slow").tree
    with pool.base_for(team.request(None, team.edited(tree, {"f5.txt": "edited\n"}))) as build:
        assert (build.tree, build.state) == (tree, "green")
