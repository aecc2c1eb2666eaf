"""The real Neovim plays the corpus: headless, and some of it by keys on a terminal."""

import subprocess
from pathlib import Path

import pytest
from tests.editors import neovim_driver, neovim_keys
from tests.editors.scenario import names, scenario
from tests.editors.stage import Stage

FAST = ("dirty-buffer", "crlf", "hunk-refused", "sidecar-killed", "stale-base", "undo")
BY_KEYS = (
    "cancel", "conversation", "dirty-buffer", "edited-in-mid-turn", "file-refused", "fix-error", "red-suggestion",
    "rename", "sidecar-killed", "stale-base", "tool", "undo",
)  # fmt: skip


def _slow(*found: str) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.editors) for name in found]


@pytest.mark.parametrize("name", [*FAST, *_slow(*(name for name in names() if name not in FAST))])
def test_it_plays_the_scenario(name: str, stage: Stage) -> None:
    stage.play(name, scenario(name), neovim_driver.drive)


@pytest.mark.parametrize("name", ["hunk-refused", *_slow(*BY_KEYS)])
def test_a_person_plays_it_by_keys(name: str, stage: Stage) -> None:
    stage.play(f"{name}-keys", scenario(name), neovim_keys.drive)


FLOOR = Path(__file__).resolve().parents[2] / ".images" / "neovim-0.10" / "nvim"


def test_the_floor_is_the_oldest_neovim_that_the_layer_names() -> None:
    _demand_floor()
    said = subprocess.run([FLOOR, "--version"], check=True, capture_output=True, text=True).stdout
    assert said.startswith("NVIM v0.10.")


@pytest.mark.parametrize("name", ["dirty-buffer", *_slow(*(name for name in names() if name != "dirty-buffer"))])
def test_the_oldest_neovim_plays_it(name: str, stage: Stage) -> None:
    _demand_floor()
    stage.play(f"{name}-010", scenario(name), lambda job: neovim_driver.drive(job, FLOOR))


def _demand_floor() -> None:
    if not FLOOR.exists():
        pytest.skip("Neovim 0.10 is not here: run scripts/neovim_floor.sh")


def test_the_help_file_is_what_the_layer_says() -> None:
    script = neovim_driver.HERE.parents[2] / "scripts" / "neovim_help.lua"
    ran = subprocess.run(
        [neovim_driver.NVIM, "--clean", "-l", script, "--check"], check=False, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
