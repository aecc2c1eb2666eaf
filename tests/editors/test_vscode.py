"""The real VS Code plays the corpus, in code-server and a headless Chromium."""

import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.editors.scenario import names, scenario
from tests.editors.stage import Stage
from tests.editors.vscode_driver import drive
from tests.editors.vscode_server import ROOT, Code, code, missing

pytestmark = [pytest.mark.editors, pytest.mark.skipif(bool(missing()), reason=missing() or "there")]


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, as people install it."""
    package = tmp_path_factory.mktemp("layer") / "greenloop.vsix"
    subprocess.run([str(ROOT / "scripts" / "vsix.sh"), "vsix", str(package)], check=True, capture_output=True)
    return package


@pytest.fixture(scope="module")
def vscode(stage: Stage, layer: Path) -> Iterator[Code]:
    folder = stage.folder.parent / "c"
    folder.mkdir()
    with code(folder, layer) as started:
        yield started


@pytest.mark.parametrize("name", names())
def test_it_plays_the_scenario(name: str, stage: Stage, vscode: Code) -> None:
    stage.play(name, scenario(name), functools.partial(drive, vscode))
