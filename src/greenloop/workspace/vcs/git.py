"""What a git checkout holds, asked of git in a way that writes nothing.

``git ls-files`` neither takes ``index.lock`` nor refreshes the index, as ``git status`` does; ``core.fsmonitor`` is
switched off because it may name a program to run, and so is ``log.showSignature``, which starts ``gpg.program``. No
protocol is allowed: in a partial clone a missing object would else be fetched, by whatever the repository's
configuration names for that.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from greenloop.workspace.vcs.listing import GENERATED_FOLDERS, VCS_FOLDERS, Started, ask

OPTIONS = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-c", "log.showSignature=false")
ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",  # from git 2.44 on it does not even try
}

NOT_LISTED = tuple(f"--exclude={name}/" for name in sorted({*VCS_FOLDERS, *GENERATED_FOLDERS}))
"""On the command line, rules weigh more than those of any file."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The files of ignore rules that hold in a repository beside its ``.gitignore`` files."""

    exclude: Path
    """``info/exclude``, which need not exist."""
    excludes: Path | None
    """The user's own where ``core.excludesFile`` names one; else git knows its place."""
    usual: Path
    """Where the user's own is as a rule."""


@dataclass(frozen=True, slots=True)
class Repository:
    """Where a repository keeps what it knows."""

    folder: Path
    """The worktree's own: its ``HEAD`` and ``index``."""
    common: Path
    """The one of all worktrees: refs and configuration."""


def find_repository(top: Path) -> Repository:
    """Return where the working copy ``top`` has its repository, by reading alone.

    Raises ``OSError`` when there is none.
    """
    folder = top / ".git"
    if folder.is_file():
        folder = linked(folder, b"gitdir: ")
    common = folder / "commondir"
    return Repository(folder, linked(common, b"") if common.is_file() else folder)


def linked(file: Path, prefix: bytes) -> Path:
    """Return the folder whose path, relative to the file's own or absolute, the file holds."""
    return file.parent / os.fsdecode(file.read_bytes().removeprefix(prefix).rstrip(b"\r\n"))


def _git(folder: Path, *arguments: str, answers: tuple[int, ...] = (0,)) -> bytes:
    options = (*OPTIONS, *arguments)
    return ask("git", options, folder=folder, environment=ENVIRONMENT, package="git", answers=answers)


def rules_of(top: Path, common: Path) -> Rules:
    """Return which ignore rules hold in a working copy."""

    def configured(name: str, *more: str) -> str:
        return os.fsdecode(_git(top, "config", "--type=path", *more, "--get", name, answers=(0, 1)).rstrip(b"\n"))

    named = configured("core.excludesFile")
    usual = named or configured("greenloop.none", "--default", "~/.config/git/ignore")
    return Rules(common / "info/exclude", top / named if named else None, top / usual)


def tracked_though_ignored(top: Path, inside: bytes) -> Started:
    """Ask for the files below ``inside`` that the user's index holds although rules leave them out."""
    return _start(top, "--cached", "--ignored", *(("--", os.fsdecode(inside)) if inside else ()))


def recordable(top: Path, paths: Sequence[bytes]) -> Started:
    """Ask which files at or below ``paths`` are tracked, on disk or not, or not ignored."""
    return _start(top, "--cached", "--others", "--", *map(os.fsdecode, paths))


def _start(top: Path, *which: str) -> Started:
    return Started(
        "git", (*OPTIONS, "ls-files", "-z", "--exclude-standard", *NOT_LISTED, *which), folder=top,
        environment={**ENVIRONMENT, "GIT_LITERAL_PATHSPECS": "1"}, package="git",
    )  # fmt: skip


def ignores(repository: Path, folder: Path) -> bool:
    """Return whether the repository ignores all of ``folder``, as it does its build output."""
    inside = str(folder.relative_to(repository))
    if _git(repository, "ls-files", "-z", "--", inside):
        return False
    # it prints the path where it is ignored, and answers 1 without a word where it is not; `ls-files --ignored` with
    # a path below an ignored folder ends in an internal error of git 2.39
    return bool(_git(repository, "check-ignore", "--", inside, answers=(0, 1)))
