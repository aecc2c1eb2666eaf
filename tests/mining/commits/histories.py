"""Histories of real repositories, written by git and hg themselves, commit by commit."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

Content = str | bytes | None
"""What a file holds; ``None`` where it goes."""
ADA = "Ada <ada@example.org>"


class Repository:
    """A repository of either kind. Commits are an hour apart unless told otherwise."""

    def __init__(self, vcs: Literal["git", "hg"], root: Path) -> None:
        self.vcs, self.root = vcs, root
        self.time = 1_700_000_000
        root.mkdir(parents=True)
        self("init", *(("-q", "-b", "main") if vcs == "git" else ()))

    def __call__(self, *arguments: str | bytes, given: bytes = b"", **environment: str) -> str:
        done = subprocess.run(
            [self.vcs, *arguments], cwd=self.root, input=given, capture_output=True, check=True,
            env={**os.environ, **environment},
        )  # fmt: skip
        return done.stdout.decode("utf-8", "replace").strip()

    @property
    def head(self) -> str:
        """The id of what is checked out."""
        return self("rev-parse", "HEAD") if self.vcs == "git" else self("log", "-r", ".", "-T", "{node}")

    def write(self, files: Mapping[str, Content]) -> None:
        """Put files into the checkout."""
        for path, content in files.items():
            place = self.root / path
            if content is None:
                place.unlink()
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(
        self, message: str | bytes, files: Mapping[str, Content] | None = None, *, by: str = ADA, after: int = 3600
    ) -> str:
        """Commit what is in the checkout, ``after`` seconds after the last commit; return the id."""
        self.write(files or {})
        self.time += after
        if self.vcs == "git":
            self("add", "-A")
            date = f"{self.time} +0000"
            name, _, mail = by.rstrip(">").partition(" <")
            who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
                   for key, value in (("NAME", name), ("EMAIL", mail), ("DATE", date))}  # fmt: skip
            self("commit", "-q", "--allow-empty", "-F", "-", given=_bytes(message), **who)
        else:
            self("addremove", "-q")
            allowed = ("--config", "ui.allowemptycommit=1")
            log = self.root.parent / "message"
            log.write_bytes(_bytes(message))
            self(*allowed, "commit", "-d", f"{self.time} 0", "-u", by, "-l", str(log))
        return self.head

    def branch_from(self, commit: str, name: str) -> None:
        """Go back to a commit, to go on from there on a line of its own."""
        if self.vcs == "git":
            self("checkout", "-q", "-b", name, commit)
        else:
            self("update", "-q", commit)
            self("bookmark", name)

    def merge(self, other: str) -> str:
        """Merge another commit into what is checked out."""
        self.time += 3600
        if self.vcs == "git":
            date = f"{self.time} +0000"
            self("merge", "-q", "--no-ff", "-m", "Merge the other line", other,
                 GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date)  # fmt: skip
        else:
            self("merge", "-q", other)
            self("commit", "-d", f"{self.time} 0", "-m", "Merge the other line")
        return self.head


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
