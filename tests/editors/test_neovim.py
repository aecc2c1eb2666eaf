"""The real Neovim plays the corpus, headless."""

import pytest
from tests.editors.neovim_driver import drive
from tests.editors.scenario import names, scenario
from tests.editors.stage import Stage

FAST = ("dirty-buffer", "crlf", "hunk-refused", "sidecar-killed", "stale-base", "undo")


@pytest.mark.parametrize("name", [name if name in FAST else pytest.param(name, marks=pytest.mark.editors) for name in names()])
def test_it_plays_the_scenario(name: str, stage: Stage) -> None:
    stage.play(name, scenario(name), drive)
