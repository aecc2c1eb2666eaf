"""The fuzz target runs from its corpus: a short leg of what ``fuzz_edits.py`` does for as long as one likes."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="expected: atheris has no wheel for this Python or system"
)
def test_the_readers_of_edits_hold_under_fuzzing(tmp_path: Path) -> None:
    fresh = tmp_path / "corpus"
    fresh.mkdir()
    words = ["-runs=20000", "-seed=1", "-timeout=20", "-rss_limit_mb=2048", str(fresh), str(HERE / "corpus")]
    done = subprocess.run(
        [sys.executable, str(HERE / "fuzz_edits.py"), *words],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    # libFuzzer finishes what it has begun: a few more than it was asked for
    (runs,) = re.findall(r"Done (\d+) runs", done.stderr)
    assert int(runs) >= 20000
