"""Commits of a Mercurial repository, read in a way that writes nothing below ``.hg`` and runs nothing of it.

hg writes caches where it reads: of branches and tags into ``.hg/cache``, and for those of tags it takes the lock of
``.hg/store``. So it is run in a throw-away ``.hg`` beside, whose ``store`` leads to the repository's; where it
resolves a name, and so may take the lock, ``store`` is a folder of its own with links to the little that names need:
the logs of changes and manifests, and that of ``.hgtags``. (Seen with Mercurial 6.3 under strace; the tests hold it
to that.)

A name is looked up as one symbol and is never read as a revset: revsets can ask other servers, and run programs.
Files come as they were committed: no ``encode``, ``decode`` or ``eol`` filter is applied.
"""

import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from greenloop.records import InputError, NoFolder
from greenloop.storage import named_io_errors
from greenloop.workspace.store import Mode, TreeStore
from greenloop.workspace.vcs import mercurial
from greenloop.workspace.vcs.committed import Gathering, Revision
from greenloop.workspace.vcs.listing import ask, listen
from greenloop.workspace.vcs.mercurial import ENVIRONMENT, OPTIONS

_NULL = "0" * 40
_BESIDE = "greenloop-hg-"
_NO_FILES = "abort: no files match the archive pattern"
"""What hg says of a changeset without files, or without files in the folder asked for."""
_NAMES = ("bookmarks", "localtags")
_TAGS = ("~2ehgtags.i", "~2ehgtags.d", ".hgtags.i", ".hgtags.d")
"""Where the log of ``.hgtags`` is, with the store format ``dotencode`` and without."""
_NOT_LINKED = ("lock", "undo", "journal")


def resolve(repository: Path, rev: str) -> str:
    """Return the id of the changeset that ``rev`` names now: a bookmark, tag, branch, number or (start of an) id.

    Raises ``InputError`` when it names none, or there is no changeset at all.
    """
    if any(char in rev for char in "\"\\'\0\n\r"):
        raise InputError(f"{repository}: {rev!r} is no name of a revision", "name a bookmark, a tag, a branch or an id")
    name = rev
    if rev == ".":
        name = mercurial.head(repository) or _NULL
    with naming(repository), aside(repository, names=True) as place:
        # status 255: there is no such revision, or hg has something else to say
        found = _hg(place, "log", "-r", f'"{name}"', "-T", "{node}", answers=(0, 255)).decode().strip()
        if found and found != _NULL:
            return found
        if not _hg(place, "log", "-r", "tip", "-T", "{ifeq(rev, '-1', '', node)}"):
            raise InputError(f"{repository}: the repository has no commit yet", "commit something")
    raise InputError(f"{repository}: no revision {rev!r}", "name a bookmark, a tag, a branch or an id that is in it")


def ancestor(repository: Path, one: str, other: str) -> str:
    """Return the newest changeset that both come from, by their ids. Raises ``InputError`` when there is none."""
    with naming(repository), aside(repository, names=False) as place:
        found = _hg(place, "log", "-r", f"ancestor({one}, {other})", "-T", "{node}").decode().strip()
    if not found or found == _NULL:
        raise InputError(f"{repository}: {one} and {other} have no common ancestor", "name revisions of one history")
    return found


@dataclass(frozen=True, slots=True)
class Origin:
    """What a changeset says of where it comes from."""

    parents: tuple[str, ...]
    notes: frozenset[str]
    """``source`` after a graft, ``rebase_source``, ``histedit_source``, ``amend_source``."""


def origin(repository: Path, commit: str) -> Origin:
    """Return where a changeset, hidden ones too, comes from.

    Raises ``InputError`` when it is not there.
    """
    template = "{p1node}\n{p2node}\n{extras % '{key}\n'}"
    with naming(repository), aside(repository, names=False) as place:
        first, second, *notes = _hg(place, "--hidden", "log", "-r", commit, "-T", template).decode().splitlines()
    return Origin(tuple(parent for parent in (first, second) if parent != _NULL), frozenset(notes))


@dataclass(frozen=True, slots=True)
class Line:
    """What lies between two changesets."""

    leads: bool
    """Whether the earlier is an ancestor of the later."""
    merges: bool
    """Whether a merge is among those after the earlier, the later included."""
    rev: int
    """The number of the later."""


def line(repository: Path, before: str, after: str) -> Line | None:
    """Return what lies between two changesets, or ``None`` where ``before`` is hidden or gone; empty is the very start.

    Raises ``InputError`` when ``after`` is not there.
    """
    start = f"present({before or _NULL})"
    template = "{node} {rev} {p2rev}\n"
    with naming(repository), aside(repository, names=False) as place:
        said = _hg(place, "log", "-r", f"{start} + {start}::{after}", "-T", template).decode().split("\n")
    found = {node: (int(rev), int(second)) for node, rev, second in map(str.split, filter(None, said))}
    if before and found.pop(before, None) is None:
        return None
    rev, _ = found.get(after, (-1, -1))
    return Line(rev >= 0, any(second >= 0 for _, second in found.values()), rev)


def read(repository: Path, inside: str, commit: str, store: TreeStore, max_file_bytes: int) -> Revision:
    """Read a changeset, or the folder ``inside`` of it, into the store.

    Raises ``InputError`` when it is not all there or the folder is not.
    """
    prefix = f"{inside}/".encode() if inside else b""
    only = ("--include", f"path:{inside}") if inside else ()
    gathering = Gathering(store, max_file_bytes)
    options = ("--rev", commit, "--type", "tar", "--no-decode", "--prefix", ".", *only)
    arguments = (*OPTIONS, "--config", "ui.archivemeta=false", "archive", *options, "-")
    seen = False
    with (
        naming(repository),
        aside(repository, names=False) as place,
        listen("hg", arguments, folder=place, environment=ENVIRONMENT, package="mercurial") as answer,
        _tar_errors(repository),
        tarfile.open(fileobj=answer, mode="r|", encoding="utf-8", errors="surrogateescape") as archive,
    ):
        for member in archive:
            path = os.fsencode(member.name)
            if not path.startswith(prefix):
                continue
            seen = True
            text = gathering.wanted(path.removeprefix(prefix), member.size)
            if text is None:
                continue
            if member.issym():
                gathering.add(text, Mode.LINK, os.fsencode(member.linkname))
                continue
            content = archive.extractfile(member)
            if content is None:
                raise InputError(f"{repository}: {text} is neither file nor link", "hg verify says more")
            gathering.add(text, Mode.EXECUTABLE if member.mode & 0o100 else Mode.FILE, content.read())
    if inside and not seen:
        raise NoFolder(f"{repository}: revision {commit} has no folder {inside!r}", "name a folder that is in it")
    return gathering.finish(commit)


@contextmanager
def naming(repository: Path) -> Iterator[None]:
    """Let errors name the repository, not the place beside in which hg ran."""
    try:
        yield
    except InputError as error:
        if _NO_FILES not in error.message:
            message = re.sub(rf"\S*/{_BESIDE}\w+", lambda _: str(repository), error.message)
            raise InputError(message, error.way_out) from error


@contextmanager
def _tar_errors(repository: Path) -> Iterator[None]:
    try:
        yield
    except tarfile.ReadError as error:
        # an empty stream too: hg says why at its end, or had no file to give
        if "empty file" not in str(error):
            raise InputError(f"{repository}: hg archive was cut short: {error}", "hg verify says more") from error


def _hg(place: Path, *arguments: str, answers: tuple[int, ...] = (0,)) -> bytes:
    return ask(
        "hg", (*OPTIONS, *arguments), folder=place, environment=ENVIRONMENT, package="mercurial", answers=answers
    )


@contextmanager
def aside(repository: Path, *, names: bool) -> Iterator[Path]:
    """A folder with a ``.hg`` in which hg finds the repository and writes what it likes."""
    own = repository / ".hg"
    with named_io_errors(repository), tempfile.TemporaryDirectory(prefix=_BESIDE) as made:
        place = Path(made).resolve()
        source = _source(own)
        beside = place / ".hg"
        beside.mkdir()
        if (source / "requires").is_file():
            shutil.copyfile(source / "requires", beside / "requires")
        for name in _NAMES:
            found = [folder / name for folder in (own, source) if (folder / name).is_file()]
            if found:
                shutil.copyfile(found[0], beside / name)
        if not (source / "store").is_dir():
            raise InputError(
                f"{repository}: a repository without .hg/store, as Mercurial made them before 2007",
                "hg clone --pull it",
            )
        if names:
            _link_names(source / "store", beside / "store")
        else:
            (beside / "store").symlink_to(source / "store")
        yield place


def _source(own: Path) -> Path:
    """Return the ``.hg`` that holds the changes: another repository's where this one was made by ``hg share``."""
    shared = own / "sharedpath"
    if not shared.is_file():
        return own
    source = Path(os.fsdecode(shared.read_bytes().rstrip(b"\n")))
    source = (own / source).resolve()
    if not source.is_dir():
        raise InputError(f"{own.parent}: shares the repository {source}, which is gone", "hg unshare, or bring it back")
    return source


def _link_names(store: Path, beside: Path) -> None:
    (beside / "data").mkdir(parents=True)
    for path in store.iterdir():
        if path.is_file() and not path.name.startswith(_NOT_LINKED):
            (beside / path.name).symlink_to(path)
    for name in _TAGS:
        if (store / "data" / name).is_file():
            (beside / "data" / name).symlink_to(store / "data" / name)
