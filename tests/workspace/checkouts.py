"""What the tests of working copies share: git and hg as a person types them, files, and a look at every byte."""

import subprocess
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from greenloop.workspace.vcs import Skipped


def git(folder: Path, *arguments: str) -> str:
    """Run git as the person that ``tests/conftest.py`` names; return what it printed."""
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *arguments], cwd=folder, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def hg(folder: Path, *arguments: str) -> str:
    """Run Mercurial; return what it printed."""
    done = subprocess.run(["hg", *arguments], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().strip()


def fill(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, and the folders that they need."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)


def reasons(skipped: tuple[Skipped, ...]) -> dict[str, str]:
    """Return path → why it was left out."""
    return {item.path: item.reason for item in skipped}


def fingerprint(folder: Path) -> dict[str, tuple[int, int, int, int, str]]:
    """Every path below ``folder``, itself too, with mode, inode, both change times and content."""
    found = {}
    for path in sorted((folder, *folder.rglob("*"))):
        status = path.lstat()
        content = sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (status.st_mode, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, content)
    return found
