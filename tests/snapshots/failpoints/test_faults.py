"""A disk that fails or is full at any one call: a clear error, nothing lost that was told, and the next write works."""

import random
import shutil
from pathlib import Path

import pytest
from tests.snapshots.failpoints.conftest import BEFORE, DROPPED, EIO, ENOSPC, Driver, spread

_EACH = 45


def fault_of(driver: Driver, scenario: str, target: int, action: int, more: dict[str, str]) -> str:
    """Let one call fail, look at what is there at the end, and return what is wrong, or ``""``."""
    home, done = driver.run(scenario, target=target, action=action, **more)
    if done["status"] != 0:
        return f"{target}: {done}"
    found = driver.check(home)
    shutil.rmtree(home)
    expected = BEFORE[scenario] | set(range(12) if scenario == "record" else {12})
    if set(found["seqs"]) != expected - DROPPED[scenario] or found["wrong"]:
        return f"{target}: {found}, {done['told']}"
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("action", [EIO, ENOSPC], ids=["EIO", "ENOSPC"])
@pytest.mark.parametrize("scenario", ["record", "upkeep"])
def test_a_call_that_fails_is_named_and_the_next_write_works(
    drivers: list[Driver], recorded: Path, scenario: str, action: int
) -> None:
    more = {"template": str(recorded)} if scenario == "upkeep" else {}
    points = drivers[0].points(scenario, **more)
    numbers = [number for number, what in enumerate(points, 1) if not what.startswith("pwrite snapshots.db")]
    first = [number for number, what in enumerate(points, 1) if points.index(what) == number - 1]
    chosen = sorted({*random.Random(action).sample(numbers, min(_EACH, len(numbers))), *first})

    wrong = spread(drivers, lambda driver, target: fault_of(driver, scenario, target, action, more), chosen)

    assert not any(wrong), "\n".join(filter(None, wrong))
