"""One stage for all tests of a module, and the package of the layer for VS Code."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.editors.stage import Stage, staged


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as made:
        yield made


@pytest.fixture(scope="session")
def vsix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, as people install it."""
    script = Path(__file__).resolve().parents[2] / "scripts" / "vsix.sh"
    package = tmp_path_factory.mktemp("layer") / "greenloop.vsix"
    subprocess.run([str(script), "vsix", str(package)], check=True, capture_output=True)
    return package
