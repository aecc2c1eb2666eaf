"""The refs of a store of our own: one file, ``packed-refs`` in git's format, replaced whole.

git and libgit2 read it; nobody writes loose refs here, so many refs move at once or not at all.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from greenloop.records import EnvironmentFault
from greenloop.workspace.packing import TEMPORARY, sync, sync_folder

_HEADER = "# pack-refs with: peeled fully-peeled sorted \n"
_LINE = re.compile(r"([0-9a-f]{40}) (refs/[^\s\x00-\x20\x7f~^:?*\[\\\ufffd]+)\n")


class PackedRefs:
    """The refs of the repository at ``folder``. Writers exclude each other by the lock of ``workspace.guard``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "packed-refs"
        self._seen: tuple[int, int, int] | None = None
        self._refs: dict[str, str] = {}

    def read(self) -> Mapping[str, str]:
        """Return name → id of every ref. Raises ``EnvironmentFault`` when a line is none of git's."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._seen, self._refs = None, {}
            return self._refs
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            self._refs = self._parse(self.path.read_bytes().decode("utf-8", "replace"))
            self._seen = seen
        return self._refs

    def _parse(self, text: str) -> dict[str, str]:
        lines = text.splitlines(keepends=True)
        if lines[:1] != [_HEADER]:
            raise self._damaged("its first line")
        refs: dict[str, str] = {}
        for number, line in enumerate(lines[1:], 2):
            match = _LINE.fullmatch(line)
            if match is None:
                raise self._damaged(f"line {number}")
            refs[match[2]] = match[1]
        if list(refs) != sorted(refs) or len(refs) != len(lines) - 1:
            raise self._damaged("the order of its lines")
        return refs

    def _damaged(self, what: str) -> EnvironmentFault:
        return EnvironmentFault(
            f"{self.path}: {what} is damaged", "run `greenloop record check`, or take it from a backup"
        )

    def write(self, refs: Mapping[str, str]) -> None:
        """Replace all refs by ``refs``, durably. Raises ``OSError``."""
        made = self.path.with_name(f"{TEMPORARY}refs_{os.getpid()}")
        try:
            with made.open("wb") as file:
                file.write(_HEADER.encode())
                file.writelines(f"{refs[name]} {name}\n".encode() for name in sorted(refs))
                sync(file)
            made.replace(self.path)
        except BaseException:
            made.unlink(missing_ok=True)
            raise
        sync_folder(self.path.parent)
