"""What libgit2 does not survive is looked at before it reads: a damaged index crashes it, a torn object hangs it."""

import hashlib
import os
import subprocess
import zlib
from pathlib import Path

from greenloop.records import EnvironmentFault
from greenloop.workspace import own_git
from greenloop.workspace.packing import TEMPORARY, sync_folder
from greenloop.workspace.staging import NAMES

_KINDS = {name.encode(): number for number, name in NAMES.items()}
_DIGEST = 20


def mend_indexes(packs: Path) -> list[str]:
    """Make the damaged index of any pack again, and return a sentence for each.

    libgit2 follows the offsets of an index wherever they lead. Raises ``EnvironmentFault`` when a pack is damaged too.
    """
    return [_index_again(path) for path in sorted(packs.glob("*.idx")) if not _is_whole(path)]


def _is_whole(index: Path) -> bool:
    content = index.read_bytes()
    return hashlib.sha1(content[:-_DIGEST], usedforsecurity=False).digest() == content[-_DIGEST:]


def _index_again(index: Path) -> str:
    pack, made = index.with_suffix(".pack"), index.with_name(f"{TEMPORARY}{os.getpid()}_again")
    command = ["git", "index-pack", "--threads=1", "-o", str(made), str(pack)]
    done = subprocess.run(command, capture_output=True, check=False, env=own_git.environment(index.parents[2]))
    if done.returncode != 0:
        made.unlink(missing_ok=True)
        said = done.stderr.decode("utf-8", "replace").strip()[-300:]
        raise EnvironmentFault(f"{index}: damaged, and so is its pack: {said}", "take both from a backup")
    made.replace(index)
    sync_folder(index.parent)
    return f"{index} was damaged: it is made again from its pack"


def read_loose(objects: Path, oid: str) -> tuple[int, bytes] | None:
    """Return kind and content of an object that has a file of its own, or ``None``. Raises ``ValueError`` if damaged.

    libgit2 1.9 never returns from a file whose stream was cut off.
    """
    try:
        packed = (objects / oid[:2] / oid[2:]).read_bytes()
    except FileNotFoundError:
        return None
    stream = zlib.decompressobj()
    try:
        head, _, content = stream.decompress(packed).partition(b"\0")
    except zlib.error as error:
        raise ValueError(str(error)) from error
    kind, _, size = head.partition(b" ")
    if not stream.eof or kind not in _KINDS or size != b"%d" % len(content):
        raise ValueError("cut short, or no object")
    return _KINDS[kind], content
