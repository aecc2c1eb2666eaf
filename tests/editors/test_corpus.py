"""The corpus itself: what the issue names is in it, and it holds for a client that is no editor."""

import pytest
from tests.editors.python_driver import drive
from tests.editors.scenario import names, scenario
from tests.editors.stage import Report, Stage, TurnReport

WANTED = {
    "dirty-buffer", "crlf", "no-final-newline", "non-ascii", "interface", "new-file", "deleted-file", "rename",
    "hunk-refused", "sidecar-killed", "edited-in-mid-turn", "stale-base", "red-suggestion", "cancel", "undo",
    "five-thousand-lines",
}  # fmt: skip


def test_it_has_every_story_that_an_editor_must_stand() -> None:
    assert set(names()) >= WANTED


@pytest.mark.parametrize("name", names())
def test_the_python_client_plays_it(name: str, stage: Stage) -> None:
    stage.play(name, scenario(name), drive)


def test_a_driver_that_does_nothing_is_found_out(stage: Stage) -> None:
    lazy = Report(turns=(TurnReport(outcome="done", label="type-checks"),))
    with pytest.raises(AssertionError):
        stage.play("lazy", scenario("crlf"), lambda _job: lazy)
