"""The corpus in Emacs, in batch."""

import os
from pathlib import Path

import pytest
from tests.editors.scenario import names, scenario
from tests.editors.stage import Stage, external

LAYER = Path(__file__).resolve().parents[2] / "editors" / "emacs"


@pytest.mark.parametrize("name", names())
def test_emacs_plays_it(name: str, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLOOP_JOB", str(stage.folder / f"{name}.job.json"))
    words = ["emacs", "-Q", "--batch", "-L", LAYER, "-L", LAYER / "test", "-l", "greenloop-drive"]
    drive = external(lambda _job, _root: [*map(str, words), "-f", "ert-run-tests-batch-and-exit"], stage.folder)
    stage.play(name, scenario(name), drive)
