"""Writing a pack: objects go into one file and its index, durable when the call returns, or leave nothing.

libgit2 and git would search for deltas, and sync in an order that we do not choose; upkeep finds the deltas later.
The formats are git's: gitformat-pack(5), pack version 2 and index version 2.
"""

import hashlib
import os
import struct
import zlib
from collections.abc import Iterable
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

TEMPORARY = "tmp_greenloop_"
"""How the names of our unfinished files begin."""

_LEVEL = 1
_BLOCK = 1 << 20
_LARGE_OFFSET = 1 << 31

_Place = tuple[int, int]
"""Where an object begins in the pack, and the CRC of its bytes there."""


def write_pack(folder: Path, objects: Iterable[tuple[bytes, int, bytes]]) -> Path | None:
    """Write ``objects`` (id, kind of git, content; each id once) to a pack in ``folder``; return it, if there are any.

    The pack is in its place before its index, so no reader sees an index without a pack. Raises ``OSError``.
    """
    # git takes whatever ends in .idx for an index, half written or not
    name = f"{TEMPORARY}{os.getpid()}_{os.urandom(6).hex()}"
    pack, index = folder / f"{name}_pack", folder / f"{name}_idx"
    try:
        with pack.open("x+b") as file:
            places, checksum = _write_objects(file, objects)
            sync(file)
        if not places:
            pack.unlink()
            return None
        with index.open("xb") as file:
            file.write(_index(places, checksum))
            sync(file)
        final = folder / f"pack-{checksum.hex()}.pack"
        for path in (pack, index):
            path.chmod(0o444)
        pack.replace(final)
        index.replace(final.with_suffix(".idx"))
        sync_folder(folder)
    except BaseException:
        for path in (pack, index):
            with suppress(OSError):
                path.unlink()
        raise
    return final


def _write_objects(file: BinaryIO, objects: Iterable[tuple[bytes, int, bytes]]) -> tuple[dict[bytes, _Place], bytes]:
    places: dict[bytes, _Place] = {}
    # the count stands at the front and in the checksum, and is known at the end: no object has to wait in memory
    file.write(_start(0))
    offset = len(_start(0))
    for oid, kind, content in objects:
        if oid in places:
            continue
        body = _header(kind, len(content)) + zlib.compress(content, _LEVEL)
        places[oid] = (offset, zlib.crc32(body))
        file.write(body)
        offset += len(body)
    file.seek(0)
    file.write(_start(len(places)))
    file.seek(0)
    digest = hashlib.sha1(usedforsecurity=False)
    while block := file.read(_BLOCK):
        digest.update(block)
    file.write(digest.digest())
    return places, digest.digest()


def _start(count: int) -> bytes:
    return b"PACK" + struct.pack(">II", 2, count)


def _header(kind: int, size: int) -> bytes:
    first, size = (kind << 4) | (size & 15), size >> 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    out.append(first)
    return bytes(out)


def _index(places: dict[bytes, _Place], checksum: bytes) -> bytes:
    oids = sorted(places)
    counts = [0] * 256
    for oid in oids:
        counts[oid[0]] += 1
    large: list[int] = []
    offsets: list[int] = []
    for oid in oids:
        offset = places[oid][0]
        if offset >= _LARGE_OFFSET:
            large.append(offset)
            offset = _LARGE_OFFSET | (len(large) - 1)
        offsets.append(offset)
    body = b"".join(
        (
            b"\xfftOc" + struct.pack(">I", 2),
            struct.pack(">256I", *accumulate(counts)),
            *oids,
            struct.pack(f">{len(oids)}I", *(places[oid][1] for oid in oids)),
            struct.pack(f">{len(oids)}I", *offsets),
            struct.pack(f">{len(large)}Q", *large),
            checksum,
        )
    )
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def sync(file: BinaryIO) -> None:
    """Wait until the disk has what was written to ``file``."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in ``folder``."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
