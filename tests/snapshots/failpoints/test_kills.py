"""Killed at any write, sync, rename or removal: the store opens, is sound, and has all but the snapshot in flight."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.snapshots.failpoints.conftest import BEFORE, DROPPED, HALF_THEN_KILL, KILL, Driver, spread

KILLED = 9


def told(done: dict[str, Any], scenario: str) -> set[int]:
    """Return the snapshots that were acknowledged, by the end or by the pipe."""
    return BEFORE[scenario] | {int(words.split()[1]) for words in done["told"] if words.startswith("snapshot")}


def fault_of(driver: Driver, scenario: str, target: int, action: int, more: dict[str, str]) -> str:
    """Kill a scenario at a point, look at what is left, and return what is wrong with it, or ``""``."""
    home, done = driver.run(scenario, target=target, action=action, **more)
    if done["status"] != KILLED:
        return f"{target}: not killed: {done}"
    found = driver.check(home)
    shutil.rmtree(home)
    seqs, known = set(found["seqs"]), told(done, scenario)
    gone = DROPPED[scenario] if "drop" in done["told"] else set()
    lost, more_than_told = known - seqs - gone, seqs - known
    kept = DROPPED[scenario] & seqs if "dropped" in done["told"] else set()
    partly = gone & seqs not in (set(), gone)
    # a removal that came into the journal and not yet into the index is told: it looks like a loss
    told_of = found["notes"] if "drop" not in done["told"] else []
    if lost or kept or partly or len(more_than_told) > 1 or told_of or found["wrong"]:
        return f"{target}: lost {lost}, kept {kept}, too many {more_than_told}, {found}"
    return ""


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "least"), [("record", 250), ("upkeep", 150)])
def test_a_kill_at_any_point_loses_nothing_that_was_told(
    drivers: list[Driver], recorded: Path, scenario: str, least: int
) -> None:
    more = {"template": str(recorded)} if scenario == "upkeep" else {}
    points = drivers[0].points(scenario, **more)
    # the index can be made again, so a part of its points will do; of the others all are taken
    chosen = [
        number
        for number, what in enumerate(points, 1)
        if not what.startswith("pwrite snapshots.db") or number % 10 == 0 or points.index(what) == number - 1
    ]
    assert len(chosen) >= least

    wrong = spread(drivers, lambda driver, target: fault_of(driver, scenario, target, KILL, more), chosen)

    assert not any(wrong), "\n".join(filter(None, wrong))


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["record", "upkeep"])
def test_a_kill_in_the_middle_of_a_write_loses_nothing_that_was_told(
    drivers: list[Driver], recorded: Path, scenario: str
) -> None:
    more = {"template": str(recorded)} if scenario == "upkeep" else {}
    points = drivers[0].points(scenario, **more)
    writes = [number for number, what in enumerate(points, 1) if "write" in what and "snapshots.db" not in what]
    chosen = random.Random(4).sample(writes, min(60, len(writes)))

    wrong = spread(drivers, lambda driver, target: fault_of(driver, scenario, target, HALF_THEN_KILL, more), chosen)

    assert not any(wrong), "\n".join(filter(None, wrong))
