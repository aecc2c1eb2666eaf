"""The runner and the persistent checker say what plain dune says of a clean checkout, on edits of every kind.

The engines and the oracle are those of ``benchmarks/differential.py``, which is run on as many edits as one likes;
here on a sample that another seed than its own draws, with at least one edit of each kind in the image's.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
    result = disagreements("debian", 37)
    assert result["edits"] == 37
    assert result["kinds"] == 37


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_images_dune_and_its_checkers() -> None:
    if not IMAGE.exists():
        pytest.skip("expected: no toolchain image, `make image` makes one")
    result = disagreements("image", 37)
    assert result["edits"] == 37
    # each edit is asked about twice, and most of them change plain modules alone
    checked = result["checked"]
    assert isinstance(checked, int)
    assert checked >= 37
