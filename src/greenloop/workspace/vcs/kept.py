"""What a working copy keeps over a restart: the tree that its indexes stand for, and what was left out of it."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from greenloop.records import TreeId
from greenloop.storage import write_atomically
from greenloop.workspace.vcs.examine import Out

_VERSION = 1
_FILE = "state.json"


@dataclass(frozen=True, slots=True)
class KeptArea:
    """One repository's, or the folder's own, part."""

    prefix: bytes
    vcs: str
    folder: str
    """The name of its folder in the cache."""
    number: int
    """Which of the indexes there."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Every index in it holds exactly what ``tree`` holds, but for ``again``, which is to be looked at."""

    purpose: str
    """What was read, and how: another one makes the rest worthless."""
    tree: TreeId
    areas: tuple[KeptArea, ...]
    again: tuple[bytes, ...] = ()
    out: dict[bytes, Out] = field(default_factory=dict)


def save(cache: Path, kept: Kept) -> None:
    """Replace what is kept. Raises ``EnvironmentFault`` when the disk refuses."""
    whole = {
        "version": _VERSION,
        "purpose": kept.purpose,
        "tree": kept.tree,
        "areas": [[os.fsdecode(area.prefix), area.vcs, area.folder, area.number] for area in kept.areas],
        "again": [os.fsdecode(path) for path in kept.again],
        "out": [[os.fsdecode(path), out.reason, list(out.stamp)] for path, out in kept.out.items()],
    }
    write_atomically(cache / _FILE, json.dumps(whole).encode())


def load(cache: Path, purpose: str) -> Kept | None:
    """Return what is kept; ``None`` when there is nothing, it cannot be read, or was for another purpose."""
    try:
        whole = json.loads((cache / _FILE).read_bytes())
        if whole["version"] != _VERSION or whole["purpose"] != purpose:
            return None
        return Kept(
            purpose,
            str(whole["tree"]),
            tuple(
                KeptArea(os.fsencode(prefix), str(vcs), str(folder), int(number))
                for prefix, vcs, folder, number in whole["areas"]
            ),
            tuple(map(os.fsencode, whole["again"])),
            {os.fsencode(path): Out(str(reason), _stamp(stamp)) for path, reason, stamp in whole["out"]},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _stamp(parts: list[int]) -> tuple[int, int, int, int, int]:
    mtime, ctime, size, inode, mode = map(int, parts)
    return (mtime, ctime, size, inode, mode)
