"""The history of a git repository, read in a way that writes and runs nothing and follows no replacement or graft."""

from collections.abc import Iterator
from pathlib import Path

from greenloop.workspace.vcs.git import OPTIONS
from greenloop.workspace.vcs.git_commits import COMMITS_ENVIRONMENT
from greenloop.workspace.vcs.listing import ask, listen
from greenloop.workspace.vcs.logged import Commit, fields, unix_time

_FORMAT = "--format=tformat:%H%x00%P%x00%an%x00%ae%x00%ct%x00%B"
_FIELDS = 6


def count(folder: Path, tip: str, base: str) -> int:
    """Return the number of commits that lead to ``tip`` and not to ``base``."""
    words = (*OPTIONS, "rev-list", "--count", *_range(tip, base))
    return int(ask("git", words, folder=folder, environment=COMMITS_ENVIRONMENT, package="git"))


def commits(folder: Path, tip: str, base: str, most: int) -> Iterator[Commit]:
    """Yield them, parents first: by the graph, not by the clock."""
    words = (
        *OPTIONS, "log", "-z", "--topo-order", "--reverse", "--no-patch", "--no-color", "--no-mailmap", "--no-notes",
        "--encoding=UTF-8", _FORMAT, *((f"--max-count={most}",) if most else ()), *_range(tip, base),
    )  # fmt: skip
    with listen("git", words, folder=folder, environment=COMMITS_ENVIRONMENT, package="git") as answer:
        for oid, parents, author, email, time, message in fields(answer, _FIELDS):
            yield Commit(oid, tuple(parents.split()), author, email, unix_time(time), message)


def _range(tip: str, base: str) -> tuple[str, ...]:
    return (tip, f"^{base}", "--") if base else (tip, "--")
