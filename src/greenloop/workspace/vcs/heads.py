"""Where the heads of repositories stand, read from their files alone, and what moved them.

A token holds all that an event leaves behind: the head, the operations under way, the length of git's reflog. So what
happened between two tokens is read from the reflog's new lines, not guessed from its last one. Mercurial keeps no such
log: there it is told by the operations' own files, and by what the new changeset says of where it comes from.
"""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from greenloop.records import InputError
from greenloop.workspace.vcs import mercurial, mercurial_commits
from greenloop.workspace.vcs.git import Repository

_UNDER_WAY_GIT = {
    "BISECT_LOG": "bisect",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}
_UNDER_WAY_HG = {
    "bisect.state": "bisect",
    "rebasestate": "rebase",
    "histedit-state": "histedit",
    "shelvedstate": "shelve",
    "graftstate": "graft",
    "updatestate": "update",
}
_ACTIONS = (
    (re.compile(r"rebase|am\b"), "rebase"),
    (re.compile(r"pull\b"), "pull"),
    (re.compile(r"merge\b|commit \(merge\)"), "merge"),
    (re.compile(r"cherry-pick\b|commit \(cherry-pick\)"), "cherry-pick"),
    (re.compile(r"revert\b"), "revert"),
    (re.compile(r"reset\b"), "reset"),
    (re.compile(r"checkout\b|clone\b"), "checkout"),
    (re.compile(r"commit\b"), "commit"),
)
_BY_WEIGHT = (
    *("bisect", "rebase", "histedit", "pull", "merge", "cherry-pick", "graft", "revert", "shelve", "stash", "reset"),
    *("checkout", "update", "head-moved", "commit"),
)
"""Of several events in one interval the first of these is told: what changes files unasked before what does not."""

_SOURCES = {"histedit_source": "histedit", "rebase_source": "rebase", "source": "graft"}
_AMENDED = "amend_source"
_BRINGING = ("pull", "unbundle")
_MOST_LOG = 1 << 20


@dataclass(frozen=True, slots=True)
class Head:
    """One repository's part of a token."""

    vcs: str
    name: str
    """git: what ``HEAD`` holds; Mercurial: nothing."""
    commit: str
    """git: the id of the commit, where it can be read from files; Mercurial: those of both parents."""
    under_way: tuple[str, ...]
    side: str
    """git: where ``refs/stash`` stands; Mercurial: when the shelf changed."""
    log: int
    """git: the length of the reflog in bytes; Mercurial: a number that every change of the history changes."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A repository below ``root``, at ``prefix`` of the tree; of git's it is known where git keeps its own."""

    prefix: str
    root: Path
    repository: Repository | None


def token(places: Iterable[Watched]) -> str:
    """Return where the repositories stand."""
    heads = sorted((place.prefix, _look(place)) for place in places)
    parts = [(prefix, head.vcs, head.name, head.commit, head.under_way, head.side, head.log) for prefix, head in heads]
    return json.dumps(parts, separators=(",", ":"))


def commit_of(token_: str, prefix: str = "") -> str:
    """Return the commit that was checked out in the repository at ``prefix``; empty where there was none."""
    head = _parse(token_).get(prefix)
    commit = "" if head is None else head.commit.partition(" ")[0]
    return commit if re.fullmatch("[0-9a-f]{40,64}", commit) else ""


def event(before: str, after: str, places: Iterable[Watched]) -> str:
    """Return what led from one token to the other, or ``""``; ``head-moved`` where nothing tells.

    A repository that came or went is no event: its files say it.
    """
    if before == after:
        return ""
    olds, news = _parse(before), _parse(after)
    found: set[str] = set()
    for place in places:
        old, new = olds.get(place.prefix), news.get(place.prefix)
        if old is not None and new is not None and old != new:
            repository = place.repository
            found |= _hg_events(place.root, old, new) if repository is None else _git_events(repository, old, new)
    return next((name for name in _BY_WEIGHT if name in found), "")


def _parse(text: str) -> dict[str, Head]:
    try:
        return {
            prefix: Head(vcs, name, commit, tuple(under_way), side, log)
            for prefix, vcs, name, commit, under_way, side, log in json.loads(text or "[]")
        }
    except (ValueError, TypeError):
        return {}  # of another version: nothing is known of what was before


def _look(place: Watched) -> Head:
    return _look_hg(place.root) if place.repository is None else _look_git(place.repository)


def _look_git(repository: Repository) -> Head:
    folder = os.fspath(repository.folder)
    name = _text(f"{folder}/HEAD")
    return Head(
        "git",
        name,
        _commit(repository, name),
        tuple(file for file in _UNDER_WAY_GIT if os.access(f"{folder}/{file}", os.F_OK)),
        _text(f"{repository.common}/refs/stash"),
        _size(f"{folder}/logs/HEAD"),
    )


def _commit(repository: Repository, name: str) -> str:
    if not name.startswith("ref: "):
        return name
    ref = name.removeprefix("ref: ")
    for place in dict.fromkeys((repository.folder, repository.common)):
        loose = _text(f"{place}/{ref}")
        if loose:
            return loose
    return _packed(repository.common / "packed-refs", ref.encode()) or _stamp(
        repository.common / "reftable/tables.list"
    )


def _packed(file: Path, ref: bytes) -> str:
    try:
        with file.open("rb") as lines:
            for line in lines:
                if line.rstrip().endswith(b" " + ref):
                    return line.partition(b" ")[0].decode("ascii", "replace")
    except OSError:
        return ""
    return ""


def _git_events(repository: Repository, old: Head, new: Head) -> set[str]:
    found = {_UNDER_WAY_GIT[file] for file in set(old.under_way) ^ set(new.under_way)}
    found |= {_UNDER_WAY_GIT[file] for file in new.under_way if file.startswith(("BISECT", "rebase"))}
    if old.side != new.side:
        # the reset by which it puts the files back is a part of it
        return {*found, "stash"}
    actions = _reflog(repository, old.log, new.log)
    found |= {name for action in actions for name in _named(action)}
    if old.commit != new.commit and not found:
        found.add("head-moved")
    elif old.name != new.name and not found:
        found.add("checkout")
    return found


def _reflog(repository: Repository, start: int, end: int) -> list[str]:
    if end <= start:
        return []
    try:
        with (repository.folder / "logs/HEAD").open("rb") as log:
            log.seek(max(start, end - _MOST_LOG))
            lines = log.read(end - log.tell()).splitlines()
    except OSError:
        return []
    return [line.partition(b"\t")[2].decode("utf-8", "replace") for line in lines]


def _named(action: str) -> list[str]:
    return [next((name for pattern, name in _ACTIONS if pattern.match(action)), "head-moved")]


def _look_hg(root: Path) -> Head:
    folder = os.fspath(root / ".hg")
    try:
        parents = " ".join(mercurial.parents(root))
    except OSError:
        parents = ""
    store = mercurial.store_of(root)
    return Head(
        "hg",
        "",
        parents,
        tuple(file for file in _UNDER_WAY_HG if os.path.lexists(f"{folder}/{file}")),
        _stamp(Path(f"{folder}/shelved")),
        # hg sets whole seconds where it writes twice in one, so that the time alone can come again
        _changed(f"{store}/00changelog.i") + _size(f"{store}/00changelog.i"),
    )


def _hg_events(root: Path, old: Head, new: Head) -> set[str]:
    found = {_UNDER_WAY_HG[file] for file in set(old.under_way) ^ set(new.under_way)}
    if old.side != new.side:
        found.add("shelve")
    if old.commit == new.commit:
        return found
    found |= {_UNDER_WAY_HG[file] for file in new.under_way}
    if found:
        return found
    if " " in new.commit:
        return {"merge"}
    if old.log == new.log:
        return {"update"}
    return {_how_made(root, old, new)}


def _how_made(root: Path, old: Head, new: Head) -> str:
    """Say by what the changeset that is checked out now was made, or that it was there before."""
    try:
        origin = mercurial_commits.origin(root, new.commit)
        line = mercurial_commits.line(root, old.commit.partition(" ")[0], new.commit)
    except InputError:
        return "head-moved"  # stripped meanwhile
    for note, name in _SOURCES.items():
        if note in origin.notes:
            return name
    if line is None:
        # what is amended goes: its changeset is stripped, or hidden
        return "commit" if _AMENDED in origin.notes else "update"
    if not line.leads or _was_there(root, line.rev):
        return "update"
    # a merge that was under way before was told when it began
    return "merge" if line.merges and origin.parents != tuple(old.commit.split()) else "commit"


def _was_there(root: Path, rev: int) -> bool:
    """Say whether the history's last change shows that nobody committed ``rev`` just now, and so it was updated to."""
    start, name = mercurial.last_transaction(root)
    if name == "commit":
        return rev < start
    return name in _BRINGING and rev >= start


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - asked for at every reading
            return file.read(4096).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return 0


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0


def _stamp(path: Path) -> str:
    return str(_changed(os.fspath(path)) or "")
