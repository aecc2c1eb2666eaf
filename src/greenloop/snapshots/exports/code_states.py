"""Code states as ProgSnap2's Git representation: one git repository a workspace, one commit a state.

Git, since it holds each file once however many states share it; ProgSnap2's Directory representation would copy a
whole workspace every twenty seconds, and its Table has no folders, no modes and no bytes that are not text. ``git
fast-import`` writes the commits as one pack, from a stream, so memory does not follow the history.
"""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from greenloop.records import EnvironmentFault, InfrastructureError, TreeId
from greenloop.workspace.store import Change, TreeStore

_BRANCH = "refs/heads/main"


class CodeStates:
    """A repository at ``path`` whose commits are the states of one workspace, by ``author``.

    To be used as a context manager; raises ``EnvironmentFault`` when git cannot write, ``InfrastructureError`` when
    what it wrote is not what it was told to.
    """

    def __init__(self, path: Path, trees: TreeStore, author: str) -> None:
        self._path = path
        self._trees = trees
        self._who = re.sub(r"[<>\n\0]", "", author).strip().encode("utf-8", "replace") or b"unknown"
        self._head = ""
        self._git: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "CodeStates":
        self._path.mkdir(parents=True)
        self._run("init", "--quiet", "--initial-branch=main", "--template=", ".")
        self._git = subprocess.Popen(
            ["git", "fast-import", "--quiet", "--done", "--date-format=raw"],
            cwd=self._path, env=self._environment(), stdin=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._git is None:
            return
        if kind is None:
            self._send(b"done\n")
        said = self._git.communicate()[1]
        if kind is None:
            self._check(self._git.returncode, said)

    def commit(self, tree: TreeId, changes: Iterable[Change], time: float) -> str:
        """Commit the state that ``changes`` lead to from the last one; return the commit's id."""
        stamp = b"greenloop <> %d +0000" % max(0, int(time))
        person = b"%s <> %d +0000" % (self._who, max(0, int(time)))
        message = b"snapshot\n"
        self._send(b"commit %s\n" % _BRANCH.encode())
        self._send(b"author %s\ncommitter %s\n" % (person, stamp))
        self._send(b"data %d\n%s" % (len(message), message))
        for change in sorted(changes, key=lambda change: change.new is not None):
            self._change(change)
        self._send(b"\n")
        parent = b"parent %s\n" % self._head.encode() if self._head else b""
        body = b"tree %s\n%sauthor %s\ncommitter %s\n\n%s" % (tree.encode(), parent, person, stamp, message)
        # the id is known before git tells it; the last one, which all others are part of, is compared at the end
        self._head = hashlib.sha1(b"commit %d\0%s" % (len(body), body), usedforsecurity=False).hexdigest()
        return self._head

    def _change(self, change: Change) -> None:
        path = _quoted(change.path)
        if change.new is None:
            self._send(b"D %s\n" % path)
            return
        content = self._trees.read_blob(change.new.blob)
        self._send(b"M %o inline %s\ndata %d\n" % (int(change.new.mode), path, len(content)))
        self._send(content)
        self._send(b"\n")

    def _send(self, text: bytes) -> None:
        assert self._git is not None
        stdin: IO[bytes] | None = self._git.stdin
        assert stdin is not None
        try:
            stdin.write(text)
        except BrokenPipeError as error:
            said = self._git.communicate()[1]
            raise EnvironmentFault(f"{self._path}: git cannot write: {_words(said)}", "is the disk full?") from error

    def _check(self, status: int, said: bytes) -> None:
        if status != 0:
            raise EnvironmentFault(f"{self._path}: git cannot write: {_words(said)}", "is the disk full?")
        head = self._run("rev-parse", "--verify", "--quiet", _BRANCH, allowed=(0, 1)).decode().strip()
        if head != self._head:
            raise InfrastructureError(f"{self._path}: the commits came out as {head}, not as {self._head}")

    def _run(self, *arguments: str, allowed: tuple[int, ...] = (0,)) -> bytes:
        done = subprocess.run(
            ["git", *arguments], cwd=self._path, env=self._environment(), capture_output=True, check=False
        )
        if done.returncode not in allowed:
            raise EnvironmentFault(f"{self._path}: git cannot write: {_words(done.stderr)}", "is the disk full?")
        return done.stdout

    @staticmethod
    def _environment() -> dict[str, str]:
        # nobody's settings: the same history gives the same commits on every machine
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
        }


def _quoted(path: str) -> bytes:
    """Quote a path as git's streams do: C's escapes for quotes, backslashes and line ends."""
    text = path.encode("utf-8", "surrogateescape")
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def _words(said: bytes) -> str:
    return said.decode("utf-8", "replace").strip()[-300:] or "it ended"
