"""Tree packs from elsewhere: taken into the tree store only when all that is in them is fit to be there.

A pack can be a bomb (a megabyte that becomes gigabytes), can lack what its trees name, and can hold trees with names
that lead outside. So git unpacks it in a store of its own beside, under limits and with its strictest checks; what is
good then moves over by one more reading.
"""

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from greenloop.records import InputError, TreeId
from greenloop.storage import named_io_errors
from greenloop.workspace import own_git
from greenloop.workspace.store import TreeStore

_SECONDS = 300
"""Of processor time that git may take to unpack a pack."""
_UNFOLDED = 64
"""How many times the largest allowed size a pack may unfold to: versions of one file differ by little."""
_MEMORY_MIB = 2048
_SHORTEST = 7
"""Digits by which a tree may be named, at the least."""


@dataclass(frozen=True, slots=True)
class Pack:
    """What a pack brought: the trees that are part of no other tree in it."""

    trees: tuple[TreeId, ...]

    def find(self, name: str) -> TreeId:
        """Return the tree whose id begins with ``name``. Raises ``InputError`` when it is not one alone."""
        found = [tree for tree in self.trees if len(name) >= _SHORTEST and tree.startswith(name.lower())]
        if len(found) != 1:
            raise InputError(
                f"{name!r} names {len(found)} trees of the pack", "give more digits of the tree's id, 7 at the least"
            )
        return found[0]


def read_pack(store: TreeStore, path: Path, *, max_mib: int) -> Pack:
    """Add the trees of a pack to ``store``; whole or not at all.

    Raises ``InputError`` when it is larger than ``max_mib`` MiB, unfolds to much more, is no pack, lacks objects, or
    holds names that no tree may have.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such pack", "name a file that TreeStore.export_pack wrote")
    if path.stat().st_size > max_mib << 20:
        raise InputError(f"{path}: larger than {max_mib} MiB", "split it, or allow more")
    with named_io_errors(store.path), tempfile.TemporaryDirectory(prefix=".pack-", dir=store.path) as made:
        quarantine = Path(made, "store")
        TreeStore(quarantine)
        _unpack(path, quarantine, max_mib)
        roots = _roots(path, quarantine, max_mib)
        # read as every tree is: names that lead elsewhere are refused here
        aside = TreeStore(quarantine)
        for tree in roots:
            aside.files(tree)
        store.import_pack(path)
    return Pack(roots)


def _git(path: Path, quarantine: Path, *arguments: str, given: Path | None = None, max_mib: int) -> bytes:
    limit = [
        *("prlimit", f"--as={_MEMORY_MIB << 20}", f"--cpu={_SECONDS}", f"--fsize={_unfolded(max_mib) << 20}"),
        *("--core=0", "--"),
    ]
    with (given or Path(os.devnull)).open("rb") as source:
        done = subprocess.run(
            [*limit, "git", "-c", "core.bigFileThreshold=16m", "-c", "pack.threads=1", *arguments],
            stdin=source, capture_output=True, check=False,
            env=own_git.environment(quarantine),
        )  # fmt: skip
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()[-500:] or f"git ended with status {done.returncode}"
        raise InputError(f"{path}: not a whole and honest git pack: {said}", "export it again where it comes from")
    return done.stdout


def _unpack(path: Path, quarantine: Path, max_mib: int) -> None:
    size = f"--max-input-size={max_mib << 20}"
    _git(path, quarantine, "index-pack", "--stdin", "--strict", "--threads=1", size, given=path, max_mib=max_mib)


def _roots(path: Path, quarantine: Path, max_mib: int) -> tuple[TreeId, ...]:
    """Return the trees that no other tree holds."""
    check = "--batch-check=%(objectname) %(objecttype) %(objectsize)"
    kinds: dict[str, str] = {}
    total = 0
    for line in _git(path, quarantine, "cat-file", "--batch-all-objects", check, max_mib=max_mib).splitlines():
        oid, kind, size = line.decode().split()
        if kind not in {"tree", "blob"}:
            raise InputError(f"{path}: holds a {kind}: a tree pack holds trees and files", "export the trees alone")
        kinds[oid] = kind
        total += int(size)
    if total > _unfolded(max_mib) << 20:
        raise InputError(f"{path}: unfolds to {total >> 20} MiB", "is it an honest pack? split it")
    store = TreeStore(quarantine)
    trees = [oid for oid, kind in kinds.items() if kind == "tree"]
    inner = {below for tree in trees for below in store.folders(tree)}
    return tuple(sorted(set(trees) - inner))


def _unfolded(max_mib: int) -> int:
    return _UNFOLDED * max_mib
