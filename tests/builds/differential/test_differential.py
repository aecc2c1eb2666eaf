"""The runner and the persistent checker say what plain dune says of a clean checkout, on edits of every kind.

The engines and the oracle are those of ``benchmarks/differential.py``, which is run on as many edits as one likes;
here on a sample that another seed than its own draws, one edit of each kind.
"""

import importlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from greenloop.records import Stage, Status, Suite, Verdict

ROOT = Path(__file__).parents[3]
IMAGE = ROOT / ".images/images/trixie/image.json"


def disagreements(toolchain: str, edits: int) -> dict[str, object]:
    done = subprocess.run(
        [
            *(sys.executable, "benchmarks/differential.py", "--json", "--seed", "7"),
            *("--edits", str(edits), "--toolchain", toolchain),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    assert result["disagreements"] == 0, done.stderr
    assert done.returncode == 0
    return result


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_hosts_dune() -> None:
    result = disagreements("debian", 36)
    assert result["edits"] == 36
    assert result["kinds"] == 36


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_images_dune_and_its_checkers() -> None:
    if not IMAGE.exists():
        pytest.skip("expected: no toolchain image, `make image` makes one")
    result = disagreements("image", 36)
    assert result["edits"] == 36
    # each edit is asked about twice, and 29 of them change plain modules alone
    checked = result["checked"]
    assert isinstance(checked, int)
    assert checked >= 29


@pytest.fixture
def differential() -> Iterator[ModuleType]:
    """The script as a module; it looks for its own parts beside itself."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        yield importlib.import_module("differential")
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


@pytest.mark.parametrize(
    ("status", "stage", "said", "counted"),
    [
        ("red", "types", "Unbound value x", 0),
        ("green", "tests", None, 1),
        ("red", "build", "Unbound value x", 1),
        ("red", "types", "Unbound value y", 1),
        ("red", "types", None, 1),
    ],
)
def test_an_engine_that_says_something_else_is_told(
    differential: ModuleType, status: str, stage: str, said: str | None, counted: int
) -> None:
    def told(message: str | None) -> list[dict[str, object]]:
        span = {"line": 1, "column": 0, "end_line": 1, "end_column": 1}
        one: dict[str, object] = {
            "severity": "error",
            "category": "unbound",
            "path": "a.ml",
            "span": span,
            "message": message,
        }
        return [one] if message else []

    verdict = Verdict.model_validate(
        {
            **{"tree": "0" * 40, "toolchain": "t", "suite": Suite.TEST, "status": status},
            **{"stages": [{"stage": stage, "status": status, "seconds": 0}], "diagnostics": told(said)},
        }
    )
    plain = differential.Answer(Status.RED, Stage.TYPES, frozenset({("a.ml", 1, "Unbound value x")}))
    runner = SimpleNamespace(aside=lambda *_, **__: SimpleNamespace(verdict=verdict))
    bench = SimpleNamespace(
        base="", tree=lambda *_: "", plain=lambda _: plain, runner=runner, checker=runner, watching=False
    )
    tally = differential.Tally()
    differential.compare(bench, differential.Case(1, "kind", {}), tally, threading.Lock())
    assert (tally.edits, tally.disagreements, tally.undetermined) == (1, counted, 0)
