"""The example of a fourth layer stands every story that needs no buffer, and stays as small as its page says."""

import pytest
from tests.editors.scenario import names, scenario
from tests.editors.stage import Stage
from tests.editors.terminal_driver import PROGRAM, able, drive

STORIES = tuple(name for name in names() if able(scenario(name).steps))
FAST = ("cancel", "changed-on-disk", "conversation", "file-refused", "rename", "sidecar-killed", "tool", "undo")


def test_most_stories_need_no_buffer() -> None:
    assert len(STORIES) >= 15


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.editors) for name in STORIES]
)
def test_the_terminal_client_plays_it(name: str, stage: Stage) -> None:
    stage.play(name, scenario(name), drive)


def test_it_is_read_in_an_afternoon() -> None:
    assert len(PROGRAM.read_text().splitlines()) <= 150
