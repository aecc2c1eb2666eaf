"""Checking a GGUF file's header before C++ code is let near it: a foreign or cut-short file must not end the process.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
"""

import hashlib
import math
import mmap
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from greenloop.records import ModelError
from greenloop.storage import named_io_errors

_MAGIC = b"GGUF"
_WAY_OUT = "give a whole GGUF file; was the download cut short?"
_STRING, _ARRAY = 8, 9
# struct formats of the scalar types of metadata, by their number
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
# (elements, bytes) of a block of each tensor type, by its number; of types not listed only the start is checked
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 24: (1, 1), 25: (1, 2),
    26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
}  # fmt: skip
_MAX_DIMENSIONS = 4
_MAX_ALIGNMENT = 1 << 20
# what decides which tokens a text becomes
_TOKENIZER = ("tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.ggml.tokens", "tokenizer.ggml.merges")

Scalar = int | float | str | bool


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says of itself. ``context_tokens`` is what the model was made for, 0 if it does not say."""

    architecture: str
    name: str
    context_tokens: int
    tensors: int
    metadata: Mapping[str, Scalar] = field(default_factory=dict, repr=False)
    """Every value that is a number, a text or a truth value."""
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)
    """Name of each tensor → its dimensions, the fastest first: columns before rows."""
    tokenizer_sha256: str = ""
    """Over the kind, the tokens and the merges of its tokenizer; empty where it has none, as an adapter."""

    @property
    def is_adapter(self) -> bool:
        """Whether it holds a change to a model in the place of a model."""
        return self.metadata.get("general.type") == "adapter"

    def text(self, key: str) -> str:
        """Return the metadata of that key, empty where there is none or it is no text."""
        found = self.metadata.get(key)
        return found if isinstance(found, str) else ""


def check_gguf(path: Path) -> Header:
    """Return the header of the GGUF file at ``path``.

    Raises ``ModelError`` when it is missing, no GGUF file, of another version, damaged in its header, or shorter than
    the tensors that it announces.
    """
    with named_io_errors(path):
        if not path.is_file():
            raise ModelError(f"{path}: no such model file", "give the path of a GGUF file")
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise ModelError(f"{path}: not a GGUF file", _WAY_OUT)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                reader = _Reader(content)
                try:
                    return _read(reader, path)
                except (struct.error, UnicodeDecodeError, _DamagedError) as error:
                    raise ModelError(f"{path}: damaged or cut short: its header ends too early", _WAY_OUT) from error


class _DamagedError(Exception):
    """A number in the header cannot be true."""


class _Reader:
    def __init__(self, content: mmap.mmap) -> None:
        self.content = content
        self.at = len(_MAGIC)

    def number(self, form: str) -> int:
        return int(self._scalar(form))

    def _scalar(self, form: str) -> int | float | bool:
        (value,) = struct.unpack_from(form, self.content, self.at)
        self.at += struct.calcsize(form)
        assert isinstance(value, int | float)
        return value

    def string(self) -> str:
        return self._bytes().decode("utf-8", "replace")

    def _bytes(self) -> bytes:
        length = self.number("<Q")
        self.skip(length)
        return self.content[self.at - length : self.at]

    def skip(self, length: int) -> None:
        if length > len(self.content) - self.at:
            raise _DamagedError
        self.at += length

    def value(self, kind: int, depth: int = 0) -> Scalar | None:
        """Read a metadata value; an array is stepped over and gives ``None``."""
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            self._step_over_array(depth)
            return None
        if kind not in _SCALARS:
            raise _DamagedError
        return self._scalar(_SCALARS[kind])

    def _step_over_array(self, depth: int) -> None:
        kind, count = self.number("<I"), self.number("<Q")
        if kind in _SCALARS:
            self.skip(struct.calcsize(_SCALARS[kind]) * count)
            return
        # every string or array takes at least the 8 bytes of its length
        if count > len(self.content) // 8 or depth > 8 or kind not in {_STRING, _ARRAY}:
            raise _DamagedError
        step: Callable[[], object] = self._bytes if kind == _STRING else lambda: self._step_over_array(depth + 1)
        for _ in range(count):
            step()


def _read(reader: _Reader, path: Path) -> Header:
    version = reader.number("<I")
    if version not in {2, 3}:
        raise ModelError(f"{path}: GGUF version {version} cannot be read", "give a GGUF file of version 2 or 3")
    tensors, entries = reader.number("<Q"), reader.number("<Q")
    if max(tensors, entries) > len(reader.content) // 12:
        raise _DamagedError
    known: dict[str, Scalar] = {}
    raw: dict[str, bytes] = {}
    for _ in range(entries):
        key, start = reader.string(), reader.at
        value = reader.value(reader.number("<I"))
        if value is not None:
            known[key] = value
        if key in _TOKENIZER:
            raw[key] = reader.content[start : reader.at]
    shapes: dict[str, tuple[int, ...]] = {}
    ends = [_read_tensor(reader, shapes) for _ in range(tensors)]
    alignment = known.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= _MAX_ALIGNMENT:
        raise _DamagedError
    start = -(-reader.at // alignment) * alignment
    missing = start + max(ends, default=0) - len(reader.content)
    if missing > 0:
        raise ModelError(f"{path}: cut short: at least {missing} bytes of its tensors are missing", _WAY_OUT)
    architecture = known.get("general.architecture")
    if not isinstance(architecture, str) or not architecture or not tensors:
        raise ModelError(f"{path}: a GGUF file without a model in it", "give the GGUF file of a language model")
    context = known.get(f"{architecture}.context_length")
    name = known.get("general.name")
    return Header(
        architecture,
        name if isinstance(name, str) else path.stem,
        context if isinstance(context, int) else 0,
        tensors,
        known,
        shapes,
        _digest(raw),
    )


def _digest(raw: Mapping[str, bytes]) -> str:
    if "tokenizer.ggml.tokens" not in raw:
        return ""
    return hashlib.sha256(b"".join(key.encode() + raw.get(key, b"") for key in _TOKENIZER)).hexdigest()


def _read_tensor(reader: _Reader, shapes: dict[str, tuple[int, ...]]) -> int:
    """Read one tensor's entry into ``shapes``; return where its data ends, in bytes from the start of all data."""
    name = reader.string()
    dimensions = reader.number("<I")
    if dimensions > _MAX_DIMENSIONS:
        raise _DamagedError
    shapes[name] = tuple(reader.number("<Q") for _ in range(dimensions))
    elements = math.prod(shapes[name])
    kind, offset = reader.number("<I"), reader.number("<Q")
    block, size = _BLOCKS.get(kind, (elements + 1, 1))
    return offset + elements // block * size
