"""The history of a Mercurial repository, read in a way that writes nothing below ``.hg`` and runs nothing of it."""

from collections.abc import Iterator
from pathlib import Path

from greenloop.workspace.vcs.listing import ask, listen
from greenloop.workspace.vcs.logged import Commit, fields, unix_time
from greenloop.workspace.vcs.mercurial import ENVIRONMENT, OPTIONS
from greenloop.workspace.vcs.mercurial_commits import aside, naming

_TEMPLATE = r"{node}\0{p1node} {p2node}\0{person(author)}\0{email(author)}\0{date|hgdate}\0{desc}\0"
_FIELDS = 6
_NULL = "0" * 40


def count(folder: Path, tip: str, base: str) -> int:
    """Return the number of changesets that lead to ``tip`` and not to ``base``."""
    words = (*OPTIONS, "log", "-r", _set(tip, base), "-T", ".")
    with naming(folder), aside(folder, names=False) as place:
        return len(ask("hg", words, folder=place, environment=ENVIRONMENT, package="mercurial"))


def commits(folder: Path, tip: str, base: str, most: int) -> Iterator[Commit]:
    """Yield them in the order of their numbers, which are larger than those of their parents."""
    chosen = f"limit(sort({_set(tip, base)}, -rev), {most})" if most else _set(tip, base)
    words = (*OPTIONS, "log", "-r", f"sort({chosen}, rev)", "-T", _TEMPLATE)
    with (
        naming(folder),
        aside(folder, names=False) as place,
        listen("hg", words, folder=place, environment=ENVIRONMENT, package="mercurial") as answer,
    ):
        for node, parents, author, email, time, message in fields(answer, _FIELDS):
            known = tuple(parent for parent in parents.split() if parent != _NULL)
            yield Commit(node, known, author, email, unix_time(time.split()[0]), message)


def _set(tip: str, base: str) -> str:
    return f"only({tip}, {base})" if base else f"ancestors({tip})"
