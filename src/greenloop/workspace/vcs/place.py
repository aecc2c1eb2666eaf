"""Which version control a folder is under."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from greenloop.records import InputError
from greenloop.workspace.vcs import git, mercurial

Vcs = Literal["git", "hg", "plain"]


@dataclass(frozen=True, slots=True)
class Place:
    """Which version control a folder is under, and the root of that repository (the folder itself when plain)."""

    vcs: Vcs
    root: Path


def detect(root: Path) -> Place:
    """Find the repository that ``root`` lies in: the nearest ``.git`` or ``.hg`` upwards.

    A folder that its repository ignores is plain: it is no part of that repository.

    Raises ``InputError`` when ``root`` is no folder.
    """
    folder = root.absolute()
    if not folder.is_dir():
        raise InputError(f"{root}: no such folder", "name the folder of a project")
    folder = folder.resolve()
    for place in (folder, *folder.parents):
        if (place / ".git" / "HEAD").is_file() or (place / ".git").is_file():
            return Place("plain", folder) if place != folder and git.ignores(place, folder) else Place("git", place)
        if (place / ".hg").is_dir():
            return (
                Place("plain", folder) if place != folder and mercurial.ignores(place, folder) else Place("hg", place)
            )
    return Place("plain", folder)


def lies_in(root: Path, path: Path) -> bool:
    """Say whether ``path`` would be read with the folder ``root`` (absolute): one named ``.greenloop`` in it is not."""
    resolved = path.resolve()
    return resolved.is_relative_to(root) and ".greenloop" not in resolved.relative_to(root).parts
