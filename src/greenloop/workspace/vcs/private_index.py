"""What was read of a folder, kept in a git index of Greenloop's own: the stat cache that costs Python nothing a file.

A private ``GIT_DIR`` holds the index; the user's folder is its work tree. Its configuration is ours alone, so no
filter, hook or monitor of the user's is known to it, and its ``info/attributes`` unsets, with the highest precedence,
all that could convert a file: an entry is what the bytes on disk are. Nothing is written in the work tree.

git compares times in whole seconds and takes an entry as suspect while its modification time is not before the
index's own; ``Racy`` in ``working_copy`` says what that leaves open. An index is never changed in place: the next one
is written beside it, and whoever keeps the index together with a tree keeps its number.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from greenloop.storage import named_io_errors
from greenloop.workspace.vcs.git import NOT_LISTED, Rules
from greenloop.workspace.vcs.listing import Started

_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tbare = false
\tfileMode = true
\tsymlinks = true
\tignoreCase = false
\tautocrlf = false
\ttrustctime = true
\tcheckStat = default
\tpreloadIndex = true
\tprecomposeUnicode = false
\tprotectHFS = false
\tprotectNTFS = false
\tfsmonitor = false
\tuntrackedCache = false
\tsplitIndex = false
[index]
\tsparse = false
\tversion = 2
"""
_ATTRIBUTES = "* -text -crlf -ident -filter -working-tree-encoding -eol\n"
_SPECIAL = re.compile(rb"[\\*?\[\]!# ]")
_REMOVED = b"0 " + b"0" * 40 + b"\t%b\0"


def entry_record(mode: int, oid: str, path: bytes) -> bytes:
    """Return how ``PrivateIndex.advance`` is told that a path holds a blob."""
    return b"%o %b\t%b\0" % (mode, oid.encode(), path)


def removal_record(path: bytes) -> bytes:
    """Return how ``PrivateIndex.advance`` is told that a path is gone."""
    return _REMOVED % path


class PrivateIndex:
    """The index number ``number`` (0: none yet) in ``folder``, of the files below ``top``.

    ``objects`` is the store's folder of objects: git reads a link's old target there.
    """

    def __init__(self, folder: Path, top: Path, objects: Path, number: int = 0) -> None:
        self.number = number
        self._folder = folder
        self._top = top
        self._environment = {
            "GIT_DIR": str(folder),
            "GIT_WORK_TREE": str(top),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{_quoted(objects)}"',
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
        }
        with named_io_errors(folder):
            for name in ("objects", "refs", "info"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / "HEAD").write_text("ref: refs/heads/none\n")
            (folder / "config").write_text(_CONFIG)
            (folder / "info/attributes").write_text(_ATTRIBUTES)
            for lock in folder.glob("*.lock"):
                # of a git that was killed; whoever uses the cache holds its lock
                lock.unlink()

    def _path(self, number: int) -> Path:
        return self._folder / f"index.{number}"

    def _start(self, *arguments: str, number: int | None = None, **more: object) -> Started:
        index = self._path(self.number if number is None else number)
        environment = {**self._environment, "GIT_INDEX_FILE": str(index)}
        return Started("git", arguments, folder=self._top, environment=environment, package="git", **more)  # type: ignore[arg-type]

    def _run(self, *arguments: str, number: int, **more: object) -> None:
        with self._start(*arguments, number=number, **more) as started:
            started.finish()

    def whole(self) -> bool:
        """Return whether the index is there and not a byte of it is wrong: git itself does not look."""
        if self.number == 0:
            return True
        try:
            content = self._path(self.number).read_bytes()
        except OSError:
            return False
        return hashlib.sha1(content[:-20], usedforsecurity=False).digest() == content[-20:]

    def modified(self) -> Started:
        """Ask for what differs from the index by its time stamps, or is gone."""
        return self._start("diff-files", "--name-only", "-z")

    def others(self, rules: Rules | None, below: Sequence[bytes], without: Iterable[bytes] = ()) -> Started:
        """Ask for the files at or below the paths ``below`` that are not in the index and not ignored by ``rules``.

        What tools generate is left out, and the folders ``without``. A nested git repository is one path with a slash
        at its end; a nested one of Mercurial is files like others.
        """
        folders = (f"--exclude=/{_literal(folder)}" for folder in without)
        return self._list("--others", *folders, rules=rules, below=below)

    def ignored(self, rules: Rules, below: Sequence[bytes]) -> Started:
        """Ask for what is in the index and ignored, or lies in a folder that tools generate."""
        return self._list("--cached", "--ignored", rules=rules, below=below)

    def _list(self, *which: str, rules: Rules | None, below: Sequence[bytes]) -> Started:
        options: tuple[str, ...] = ()
        if rules is not None:
            which = (*which, "--exclude-standard")
            if rules.excludes is not None:
                options = ("-c", f"core.excludesFile={rules.excludes}")
            _point(self._folder / "info/exclude", rules.exclude)
        return self._start(*options, "ls-files", "-z", *which, *NOT_LISTED, *_below(*below))

    def paths(self, inside: bytes = b"") -> Started:
        """Ask for the paths in the index, below a folder whose name ends in a slash or everywhere.

        The files may be gone, and their folder with them.
        """
        environment = {
            "GIT_DIR": str(self._folder),
            "GIT_INDEX_FILE": str(self._path(self.number)),
            "GIT_WORK_TREE": str(self._folder),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_LITERAL_PATHSPECS": "1",
        }
        arguments = ("ls-files", "-z", *_below(inside))
        return Started("git", arguments, folder=self._folder, environment=environment, package="git")

    def advance(self, records: IO[bytes]) -> None:
        """Make the next index with ``records`` in it.

        Time stamps are taken of the files that hold what the records say, and of no other. The index before stays.
        """
        following = self.number + 1
        old, new = self._path(self.number), self._path(following)
        with named_io_errors(new):
            with suppress(FileNotFoundError):
                new.unlink()
            if old.exists():
                # with its time: git takes an entry as suspect by it
                shutil.copy2(old, new)
            records.seek(0)
            self._run("update-index", "-z", "--index-info", number=following, given=records)
            # status 1: some files are others by now than the records say
            self._run("update-index", "-q", "--refresh", number=following, answers=(0, 1))
            if not new.exists():
                # git writes no index that never held anything
                self._run("read-tree", "--empty", number=following)
        self.number = following

    def drop_others(self) -> None:
        """Delete every index but the one in use."""
        for path in self._folder.glob("index.*"):
            if path != self._path(self.number):
                path.unlink(missing_ok=True)


def _point(link: Path, target: Path) -> None:
    if not link.is_symlink() or link.readlink() != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _below(*folders: bytes) -> tuple[str, ...]:
    """Return the arguments that limit an answer; the empty path is everything."""
    return () if b"" in folders else ("--", *map(os.fsdecode, folders))


def _literal(folder: bytes) -> str:
    """Return a rule that names one folder."""
    return os.fsdecode(_SPECIAL.sub(rb"\\\g<0>", folder))


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')
