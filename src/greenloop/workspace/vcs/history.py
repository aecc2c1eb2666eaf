"""The history of a repository, commit by commit, parents first; what the commits hold is read elsewhere (``revision``).

Nothing is read ahead but what the program itself holds: git keeps the ids of all commits of the range in its own
memory to turn their order round, Mercurial has them in order. Here there is one commit at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from greenloop.records import InputError
from greenloop.workspace.vcs import git_history, mercurial_history
from greenloop.workspace.vcs.logged import Commit
from greenloop.workspace.vcs.place import Place
from greenloop.workspace.vcs.revision import repository, resolve_revision


@dataclass(frozen=True, slots=True)
class History:
    """The ancestors of ``tip``, itself too, that are none of ``base``; with ``most``, the newest of them alone.

    A history is named by commits, so it stays the same while people work on.
    """

    place: Place
    tip: str
    base: str = ""
    """Empty: from the very start."""
    most: int = 0
    """0: all."""

    def count(self) -> int:
        """Return the number of commits."""
        ask = git_history.count if self.place.vcs == "git" else mercurial_history.count
        count = ask(self.place.root, self.tip, self.base)
        return min(count, self.most) if self.most else count

    def commits(self) -> Iterator[Commit]:
        """Yield the commits, each behind its parents; always in the same order, whatever their clocks say."""
        read = git_history.commits if self.place.vcs == "git" else mercurial_history.commits
        return read(self.place.root, self.tip, self.base, self.most)


def open_history(root: Path, revisions: str = "", most: int = 0) -> History:
    """Return the history of the repository that ``root`` lies in.

    ``revisions`` is ``BASE..TIP``, or one revision with all that led to it; an empty side is what is checked out.
    Raises ``InputError`` when there is no such revision, or no repository.
    """
    place = repository(root)
    if "..." in revisions:
        raise InputError(f"{revisions!r} is no range of a history", "name it as BASE..TIP")
    here = "HEAD" if place.vcs == "git" else "."
    base, dots, tip = revisions.rpartition("..")
    return History(
        place,
        resolve_revision(root, tip or here),
        resolve_revision(root, base or here) if dots else "",
        most,
    )
