"""A home with a short name, and dune projects with a scripted model."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sidecars import ended

Project = Callable[..., Path]
GENEROUS = 120


@pytest.fixture
def home() -> Iterator[Path]:
    """A home; its sidecar is ended with the test. Its name is short, since the path of a socket has to be."""
    folder = Path(tempfile.mkdtemp(prefix="gl"))
    with ended(folder):
        yield folder
    shutil.rmtree(folder)


@pytest.fixture
def project(home: Path, tmp_path: Path) -> Project:
    """Make a dune project of the given files whose model says the given reply."""

    def make(files: dict[str, str], reply: str, *, trusted: bool = True, **script: Any) -> Path:
        root = tmp_path / "shop"
        root.mkdir()
        told = tmp_path / "script.jsonl"
        told.write_text(json.dumps({"replies": [reply], **script}) + "\n")
        wanted = f'[model]\nname = "scripted:{told}"\ncandidates = 1\n\n[search]\nenabled = false\n'
        fixed = {"dune-project": "(lang dune 2.9)\n", "dune": "(library (name shop))\n", "greenloop.toml": wanted}
        for name, text in {**fixed, **files}.items():
            (root / name).write_text(text)
        subprocess.run(["git", "init", "-q", str(root)], check=True)
        if trusted:
            assert _greenloop(home, "aid", "trust", str(root)).returncode == 0
        return root

    return make


def _greenloop(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "greenloop", "--home", str(home), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=GENEROUS)
