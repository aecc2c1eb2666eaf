"""A folder under no version control: everything but what tools generate."""

import os
from collections.abc import Iterator
from pathlib import Path

from greenloop.workspace.vcs.listing import GENERATED_FOLDERS, VCS_FOLDERS, Listing, Skipped, shown

_LEFT_OUT = frozenset(os.fsencode(name) for name in VCS_FOLDERS.union(GENERATED_FOLDERS))


def list_files(folder: Path) -> Listing:
    """List every file below ``folder``, links included and not followed, in the order of their bytes."""
    skipped: list[Skipped] = []
    paths = sorted(_walk(os.fsencode(folder), b"", skipped))
    return Listing(tuple(paths), tuple(skipped))


def _walk(folder: bytes, prefix: bytes, skipped: list[Skipped]) -> Iterator[bytes]:
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        skipped.append(Skipped(shown(prefix), f"cannot be read: {error.strerror}"))
        return
    for entry in entries:
        if entry.name in _LEFT_OUT:
            continue
        path = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, path + b"/", skipped)
        else:
            yield path
