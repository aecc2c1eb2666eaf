"""Which file a model is: its digest, and a fingerprint that is cheap enough for every opening."""

import hashlib
import json
import re
from pathlib import Path

from greenloop.storage import named_io_errors, sha256_of

_BLOCKS = 256
_BLOCK_BYTES = 4096
_DIGEST = re.compile(r"[0-9a-f]{64}")
_COUNTED = (".json", ".jinja", ".safetensors")


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file's size and of 256 blocks of 4 KiB spread evenly from its start to its end.

    Milliseconds whatever the size. Training or quantising changes every tensor, so it tells models apart; it is no
    defence against a file that somebody forged.
    """
    with named_io_errors(path), path.open("rb") as file:
        size = file.seek(0, 2)
        digest = hashlib.sha256(str(size).encode())
        last = max(size - _BLOCK_BYTES, 0)
        for number in range(_BLOCKS):
            file.seek(last * number // (_BLOCKS - 1))
            digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()


def folder_sha256(folder: Path) -> str:
    """Return the identity of a Hugging Face folder, as run cards have it: a SHA-256 over its files' names and digests.

    Counted are ``.json``, ``.jinja`` and ``.safetensors``. A folder that is named by 64 hexadecimal digits is one that
    training made of a base, and that name is the base's own identity.
    """
    if _DIGEST.fullmatch(folder.name):
        return folder.name
    with named_io_errors(folder):
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix in _COUNTED]
    return hashlib.sha256(json.dumps([[path.name, sha256_of(path)] for path in files]).encode()).hexdigest()
