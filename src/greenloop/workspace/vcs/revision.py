"""A commit as a tree, whatever version control holds it; the checkout is not looked at."""

from pathlib import Path

from greenloop.records import InputError
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import git_commits, mercurial_commits
from greenloop.workspace.vcs.committed import MAX_FILE_BYTES, Revision
from greenloop.workspace.vcs.place import Place, detect


def resolve_revision(root: Path, rev: str) -> str:
    """Return the id of the commit that ``rev`` names now in the repository that ``root`` lies in.

    git takes what ``git rev-parse`` takes, Mercurial a bookmark, tag, branch, number or (start of an) id: no revset.
    Raises ``InputError`` when there is no such commit, or no repository.
    """
    place = repository(root)
    if not rev or rev.startswith("-") or not rev.isprintable():
        raise InputError(f"{rev!r} is no name of a revision", "name a branch, a tag or a commit")
    if place.vcs == "git":
        return git_commits.resolve(place.root, rev)
    return mercurial_commits.resolve(place.root, rev)


def common_ancestor(root: Path, one: str, other: str) -> str:
    """Return the id of the newest commit that two revisions of a repository come from.

    Raises ``InputError`` when there is no such commit, or no repository.
    """
    place = repository(root)
    ask = git_commits.ancestor if place.vcs == "git" else mercurial_commits.ancestor
    return ask(place.root, resolve_revision(root, one), resolve_revision(root, other))


def read_revision(root: Path, rev: str, store: TreeStore, *, max_file_bytes: int = MAX_FILE_BYTES) -> Revision:
    """Read the commit that ``rev`` names into ``store``; nothing below ``.git`` or ``.hg`` changes.

    ``root`` may be a bare git repository, or lie below a repository's root; paths are then relative to ``root``. Files
    are as they were committed, no filter applied. Left out and reported: files of more than ``max_file_bytes``,
    submodules, names that are not UTF-8, version control's own files.

    Raises ``InputError`` when there is no such commit, when objects of it are missing (shallow and partial clones), or
    when it holds what no tree may hold; ``EnvironmentFault`` when git or hg is not installed.
    """
    return read_commit(root, resolve_revision(root, rev), store, max_file_bytes=max_file_bytes)


def read_commit(root: Path, commit: str, store: TreeStore, *, max_file_bytes: int = MAX_FILE_BYTES) -> Revision:
    """The same for the full id of a commit, as ``resolve_revision`` returns it."""
    place = repository(root)
    inside = root.resolve().relative_to(place.root).as_posix()
    inside = "" if inside == "." else inside
    if place.vcs == "git":
        return git_commits.read(place.root, inside, commit, store, max_file_bytes)
    return mercurial_commits.read(place.root, inside, commit, store, max_file_bytes)


def repository(root: Path) -> Place:
    """Return the repository that ``root`` lies in, or is where it is bare. Raises ``InputError`` when there is none."""
    if git_commits.is_bare(root.resolve()):
        return Place("git", root.resolve())
    place = detect(root)
    if place.vcs == "plain":
        raise InputError(f"{root}: no git or Mercurial repository", "name a folder that is in one")
    return place
