"""Commits of a git repository, read object by object in a way that writes nothing and runs nothing.

Files come as they were committed: no filter (``smudge``, line ends, LFS) is applied, since filters are programs.
Replacement objects and grafts are not followed, so that a commit's id says what is in it. What a partial clone lacks is
not fetched: its absence is found by ``rev-list --missing=print``, which never tries.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from greenloop.records import InputError, NoFolder
from greenloop.workspace.store import Entry, Mode, TreeStore
from greenloop.workspace.vcs.committed import Gathering, Revision
from greenloop.workspace.vcs.git import ENVIRONMENT, OPTIONS
from greenloop.workspace.vcs.listing import ask, listen, shown

COMMITS_ENVIRONMENT = {**ENVIRONMENT, "GIT_NO_REPLACE_OBJECTS": "1", "GIT_GRAFT_FILE": os.devnull}
_MODES = {b"100644": Mode.FILE, b"100664": Mode.FILE, b"100755": Mode.EXECUTABLE, b"120000": Mode.LINK}
"""100664 is what some git of before 2005 wrote."""


def is_bare(folder: Path) -> bool:
    """Return whether ``folder`` is itself a git repository without a checkout."""
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def resolve(folder: Path, rev: str) -> str:
    """Return the id of the commit that ``rev`` names now.

    Raises ``InputError`` when it names none, or there is no commit at all.
    """
    arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
    found = _git(folder, *arguments, answers=(0, 1, 128)).decode().strip()
    if found:
        return found
    if not _git(folder, "rev-list", "--all", "--max-count=1"):
        raise InputError(f"{folder}: the repository has no commit yet", "commit something")
    if _git(folder, "rev-parse", "--is-shallow-repository").strip() == b"true":
        raise InputError(
            f"{folder}: no revision {rev!r} in this shallow clone", "git fetch --unshallow, or name another revision"
        )
    raise InputError(f"{folder}: no revision {rev!r}", "name a branch, a tag or a commit that is in this repository")


def ancestor(folder: Path, one: str, other: str) -> str:
    """Return the newest commit that both come from. Raises ``InputError`` when there is none."""
    found = _git(folder, "merge-base", one, other, answers=(0, 1)).decode().strip()
    if not found:
        raise InputError(f"{folder}: {one} and {other} have no common ancestor", "name revisions of one history")
    return found


def read(folder: Path, inside: str, commit: str, store: TreeStore, max_file_bytes: int) -> Revision:
    """Read a commit, or the folder ``inside`` of it, into the store.

    Raises ``InputError`` when objects of it are missing or the folder is not there.
    """
    top = f"{commit}:{inside}"
    kind = _git(folder, "cat-file", "-t", top, answers=(0, 128)).strip()
    _demand_all(folder, commit if kind != b"tree" else top)
    if kind != b"tree":
        raise NoFolder(f"{folder}: revision {commit} has no folder {inside!r}", "name a folder that is in it")
    gathering = Gathering(store, max_file_bytes)
    missing: dict[bytes, list[tuple[str, Mode]]] = {}
    known: dict[str, Entry] = {}
    for path, mode, oid, size in _list(folder, top):
        if mode == b"160000":
            gathering.skip(path, "a submodule, not read")
            continue
        if mode not in _MODES:
            raise InputError(f"{folder}: {shown(path)} has the unknown mode {mode.decode()}", "repair the repository")
        text = gathering.wanted(path, size)
        if text is None:
            continue
        if len(oid) == 40 and oid.decode() in store:
            known[text] = Entry(_MODES[mode], oid.decode())
        else:
            missing.setdefault(oid, []).append((text, _MODES[mode]))
    gathering.add_known(known)
    for oid, content in _read_blobs(folder, missing):
        for text, blob_mode in missing[oid]:
            gathering.add(text, blob_mode, content)
    return gathering.finish(commit)


def _git(folder: Path, *arguments: str, answers: tuple[int, ...] = (0,)) -> bytes:
    options = (*OPTIONS, *arguments)
    return ask("git", options, folder=folder, environment=COMMITS_ENVIRONMENT, package="git", answers=answers)


def _demand_all(folder: Path, top: str) -> None:
    """Raises ``InputError`` when the repository lacks an object of the tree."""
    arguments = ("rev-list", "--objects", "--no-object-names", "--no-walk", "--missing=print", top)
    lost = [line for line in _git(folder, *arguments).split() if line.startswith(b"?")]
    if lost:
        raise InputError(
            f"{folder}: {len(lost)} objects of {top.rstrip(':')} are missing, {lost[0][1:].decode()} for one",
            "a partial clone lacks them: fetch without a filter, or check the revision out once",
        )


def _list(folder: Path, top: str) -> Iterator[tuple[bytes, bytes, bytes, int]]:
    """Yield path, mode, object and size of each file; the size of a submodule is 0."""
    for line in _git(folder, "ls-tree", "-r", "-l", "-z", "--full-tree", top).split(b"\0"):
        if line:
            about, _, path = line.partition(b"\t")
            mode, _, oid, size = about.split()
            yield path, mode, oid, int(size) if size.isdigit() else 0


def _read_blobs(folder: Path, oids: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield each object with its bytes."""
    given = b"".join(oid + b"\n" for oid in oids)
    if not given:
        return
    with listen(
        "git", (*OPTIONS, "cat-file", "--batch", "--buffer"),
        folder=folder, environment=COMMITS_ENVIRONMENT, package="git", given=given,
    ) as answers:  # fmt: skip
        while line := answers.readline():
            oid, kind, *size = line.split()
            if kind != b"blob" or not size:
                raise InputError(f"{folder}: object {oid.decode()} cannot be read", "git fsck says more")
            yield oid, _exactly(answers, int(size[0]) + 1)[:-1]


def _exactly(answers: IO[bytes], count: int) -> bytes:
    content = answers.read(count)
    if len(content) < count:
        raise InputError("git ended in the middle of an object", "git fsck says more")
    return content
