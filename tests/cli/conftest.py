"""Running the real command line as a person does: a process of its own, with a home of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Greenloop = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def greenloop(tmp_path: Path) -> Greenloop:
    """Return a function that runs ``greenloop`` with the given words, in ``cwd``."""

    def run(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "greenloop", "--home", str(tmp_path / "home"), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd or tmp_path, check=False, timeout=240)

    return run
