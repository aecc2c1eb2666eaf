"""The oldest VS Code that the layer declares: some of the corpus, in code-server 4.100."""

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.editors.scenario import Expect, scenario
from tests.editors.stage import Stage
from tests.editors.vscode_driver import Player, drive, played
from tests.editors.vscode_server import OLDEST, ROOT, Code, started

# a busy machine takes minutes to start an extension host
pytestmark = [pytest.mark.editors, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def oldest(stage: Stage, vsix: Path) -> Iterator[Code]:
    with started(stage.folder.parent, vsix, OLDEST) as code:
        yield code


def test_it_is_the_one_that_is_declared(oldest: Code, stage: Stage) -> None:
    declared = json.loads((ROOT / "editors" / "vscode" / "package.json").read_text())["engines"]["vscode"]
    told = scenario("crlf").model_copy(update={"expect": Expect(turns=(), funnel=())})

    def play(player: Player) -> None:
        version = player.window.ask("return vscode.version")
        assert declared == "^" + re.sub(r"\.\d+$", ".0", version)

    stage.play("declared", told, played(oldest, play))


@pytest.mark.parametrize("name", ["dirty-buffer", "hunk-refused", "interface", "sidecar-killed", "undo"])
def test_it_plays_the_scenario(name: str, stage: Stage, oldest: Code) -> None:
    stage.play(f"{name}-100", scenario(name), functools.partial(drive, oldest))
