"""What the tests of reliability share: the failpoints, compiled, and interpreters that run under them."""

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

HERE = Path(__file__).parent

KILL, EIO, ENOSPC, HALF_THEN_KILL = 1, 2, 3, 4
"""The actions of ``failpoint.c``."""

DROPPED = {"record": {0, 1, 2, 3}, "upkeep": {5}}
"""Which snapshots each scenario removes on purpose."""
BEFORE = {"record": set[int](), "upkeep": set(range(4, 12))}
"""Which are there when it begins."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Driver:
    """One ``driver.py`` under the failpoints."""

    def __init__(self, shim: Path, folder: Path) -> None:
        self.folder = folder
        self._runs = 0
        points = folder / "points"
        points.write_bytes(bytes(4 * ctypes.sizeof(ctypes.c_int) + 2000))
        environment = {**os.environ, "LD_PRELOAD": str(shim), "FAILPOINT": str(points)}
        command = [sys.executable, str(HERE / "driver.py")]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, **request: str | int) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def run(self, scenario: str, *, target: int = -1, action: int = 0, **more: str) -> tuple[Path, dict[str, Any]]:
        """Run a scenario in a folder of its own; return that and what came of it."""
        self._runs += 1
        home = self.folder / f"run-{self._runs}"
        if "template" not in more:
            home.mkdir()
        return home, self.ask(scenario=scenario, folder=str(home), target=target, action=action, **more)

    def points(self, scenario: str, **more: str) -> list[str]:
        """Return what each point of a scenario is: the operation, and the file without what differs each time."""
        log = self.folder / f"{scenario}.log"
        _, done = self.run(scenario, target=-1, action=0, log=str(log), **more)
        assert done["status"] == 0, done["told"]
        words = (line.split(" ", 1)[1] for line in log.read_text().splitlines())
        return [re.sub(r"[0-9a-f]{38,40}|(?<=tmp_)\w+|(?<=\.tmp-)\d+|(?<=refs_)\d+", "*", word) for word in words]

    def check(self, home: Path) -> dict[str, Any]:
        """Open a home as a new process does, and return what is there; fail when it cannot be opened."""
        answer = self.ask(check=str(home))
        assert answer["status"] == 0, answer["told"]
        found: dict[str, Any] = json.loads(answer["told"][0])
        return found

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("failpoint") / "failpoint.so"
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("expected: there is no C compiler on this machine; apt-get install gcc")
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-Wno-nonnull-compare"]
    subprocess.run([compiler, *flags, "-o", made, HERE / "failpoint.c", "-ldl"], check=True)
    return made


@pytest.fixture
def drivers(shim: Path, tmp_path: Path) -> Iterator[list[Driver]]:
    """Return two: most of a run is waiting for git."""
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(Driver(shim, tmp_path / name))
    yield made
    for driver in made:
        driver.close()


@pytest.fixture
def recorded(drivers: list[Driver], tmp_path: Path) -> Path:
    """Return a home as the scenario ``record`` leaves it."""
    home, done = drivers[0].run("record")
    assert done["status"] == 0, done["told"]
    return home.rename(tmp_path / "recorded")


def spread(drivers: list[Driver], work: Callable[[Driver, Item], Result], items: Sequence[Item]) -> list[Result]:
    """Do ``work`` for each item, by as many at a time as there are drivers; return what came of each."""

    def share(number: int) -> list[Result]:
        return [work(drivers[number], item) for item in items[number :: len(drivers)]]

    with ThreadPoolExecutor(len(drivers)) as pool:
        return [result for part in pool.map(share, range(len(drivers))) for result in part]
