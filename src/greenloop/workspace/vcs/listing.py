"""Which files a checkout holds: what git, Mercurial and the plain walk each answer."""

import os
import shutil
import subprocess
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from greenloop.records import EnvironmentFault, InputError

VCS_FOLDERS = frozenset({".git", ".hg", ".svn", ".jj", ".bzr", "_darcs", ".pijul", "CVS"})
"""Folders in which version control systems keep themselves."""

GENERATED_FOLDERS = ("_build", "node_modules", "__pycache__", ".venv", ".greenloop")
"""Folders of build tools and of Greenloop, left out unless a file in them is tracked (``hgignore`` lists them too)."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or a whole folder, that is on disk and not in the tree, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The paths to read, relative to the folder asked for; deleted files may be among them.

    A path that ends in a slash is a nested repository.
    """

    paths: tuple[bytes, ...]
    skipped: tuple[Skipped, ...] = ()


def shown(path: bytes) -> str:
    """Return a path as text for people, whatever its bytes are."""
    return path.decode("utf-8", "backslashreplace")


def ask(
    program: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    package: str,
    answers: Container[int] = (0,),
) -> bytes:
    """Run ``program`` in ``folder`` and return what it printed.

    The variables whose names start with ``GIT_`` or ``HG`` are not handed on: started from a hook, Greenloop would
    else read another repository than the one it was asked for. ``answers`` are the exit statuses that are no refusal.

    Raises ``EnvironmentFault`` when the program is missing, ``InputError`` when it refuses the repository.
    """
    found = shutil.which(program)
    if found is None:
        raise EnvironmentFault(f"{program} is not installed, so {folder} cannot be read", f"apt-get install {package}")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "HG"))}
    done = subprocess.run(
        [found, *arguments], cwd=folder, env={**inherited, **environment, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode not in answers:
        said = done.stderr.decode("utf-8", "replace").strip() or f"exit status {done.returncode}"
        raise InputError(f"{folder}: {program} cannot read this repository: {said}", "repair it, then run again")
    return done.stdout
