"""What can be said of the layer for VS Code without a VS Code: types, units, size, and what a page of it may do."""

import json
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.editors import thin

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / "editors" / "vscode"


@pytest.mark.parametrize("check", ["types", "unit", "bundle"])
def test_the_layer_passes(check: str) -> None:
    ran = subprocess.run(
        [str(ROOT / "scripts" / "vsix.sh"), check], check=False, capture_output=True, text=True, timeout=280
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_it_is_thin() -> None:
    written = [*LAYER.glob("src/*.ts"), *LAYER.glob("webview/*.ts"), *LAYER.glob("media/*.css")]
    # protocol.ts is generated
    assert thin.lines(path for path in written if path.name != "protocol.ts") <= thin.MOST_LINES


def test_it_holds_nothing_that_belongs_to_the_sidecar() -> None:
    assert thin.logic([*LAYER.glob("src/*.ts"), *LAYER.glob("webview/*.ts")]) == []


def test_every_command_has_words_and_every_key_a_command() -> None:
    contributed = json.loads((LAYER / "package.json").read_text())["contributes"]
    commands = {one["command"] for one in contributed["commands"]}
    assert {one["command"] for one in contributed["keybindings"]} <= commands
    assert {one["command"] for menu in contributed["menus"].values() for one in menu} <= commands
    registered = set(re.findall(r'\bon\("(\w+)"', (LAYER / "src" / "extension.ts").read_text()))
    assert {f"greenloop.{name}" for name in registered} - {"greenloop.reveal"} == commands


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((LAYER / "package-lock.json").read_text())
    assert all("resolved" not in one for one in lock["packages"].values())
    assert all("integrity" in one for path, one in lock["packages"].items() if path)


def test_the_package_has_what_runs_and_nothing_else(tmp_path: Path) -> None:
    package = tmp_path / "greenloop.vsix"
    subprocess.run(
        [str(ROOT / "scripts" / "vsix.sh"), "vsix", str(package)], check=True, capture_output=True, timeout=280
    )
    with zipfile.ZipFile(package) as opened:
        inside = {
            name.removeprefix("extension/").lower() for name in opened.namelist() if name.startswith("extension/")
        }
        readme = opened.read("extension/readme.md").decode()
    # VS Code shows no picture of the package's own
    assert "![" not in readme
    assert "● type-checks" in readme
    papers = {"package.json", "readme.md", "license.txt"}
    assert inside == papers | {"dist/extension.js", "dist/webview.js", "media/icon.svg", "media/view.css"}
