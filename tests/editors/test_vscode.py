"""The real VS Code plays the corpus, in code-server and a headless Chromium."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.editors.scenario import names, scenario
from tests.editors.stage import Stage
from tests.editors.vscode_driver import drive
from tests.editors.vscode_server import NEWEST, Code, started

# a busy machine takes minutes to start an extension host
pytestmark = [pytest.mark.editors, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def vscode(stage: Stage, vsix: Path) -> Iterator[Code]:
    with started(stage.folder.parent, vsix, NEWEST) as code:
        yield code


@pytest.mark.parametrize("name", names())
def test_it_plays_the_scenario(name: str, stage: Stage, vscode: Code) -> None:
    stage.play(name, scenario(name), functools.partial(drive, vscode))
