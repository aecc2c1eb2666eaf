"""Whether a LoRA adapter's GGUF file belongs to a base model, told before native code reads either.

Beside llama.cpp's own keys an adapter that Greenloop made carries the three below, so that it is never put on another
model, on the same one with another tokenizer, or on one that was quantised anew.
"""

from collections.abc import Mapping
from pathlib import Path

from greenloop.models.gguf import Header, check_gguf
from greenloop.models.identity import fingerprint
from greenloop.records import InputError, ModelError

BASE_SHA256 = "greenloop.base_sha256"
"""SHA-256 of the base's GGUF file."""
BASE_FINGERPRINT = "greenloop.base_fingerprint"
"""``models.identity.fingerprint`` of the base's GGUF file."""
TOKENIZER_SHA256 = "greenloop.tokenizer_sha256"
"""``Header.tokenizer_sha256`` of the base."""
_WAY_OUT = "name the base that the adapter was trained on"
_FACTORS = (".lora_a", ".lora_b")


def check_adapter(path: Path, base_path: Path, base: Header) -> Header:
    """Return the header of the adapter at ``path``, made for the model ``base`` at ``base_path``.

    Raises ``ModelError`` when the file is missing or damaged, ``InputError`` when it is no LoRA adapter, or one for
    another architecture, tokenizer, shape or file of weights. What an adapter does not say cannot be checked: one that
    Greenloop did not make says its architecture and its shapes alone.
    """
    adapter = check_gguf(path)
    if not adapter.is_adapter or adapter.text("adapter.type") != "lora":
        raise InputError(f"{path}: a GGUF file, but no LoRA adapter", "`greenloop models convert` makes one")
    if adapter.architecture != base.architecture:
        raise InputError(
            f"{path}: an adapter for the architecture {adapter.architecture}, but {base_path.name} is of "
            f"{base.architecture}",
            _WAY_OUT,
        )
    if adapter.metadata.get(TOKENIZER_SHA256, base.tokenizer_sha256) != base.tokenizer_sha256:
        raise InputError(f"{path}: an adapter for a model with another tokenizer than {base_path.name}", _WAY_OUT)
    check_shapes(path, adapter.shapes, base_path, base)
    wanted = adapter.text(BASE_FINGERPRINT)
    if wanted and wanted != fingerprint(base_path):
        raise InputError(
            f"{path}: an adapter for another base than {base_path.name}: it was made for the file with SHA-256 "
            f"{adapter.text(BASE_SHA256)[:12]}…",
            _WAY_OUT,
        )
    return adapter


def check_shapes(path: Path, shapes: Mapping[str, tuple[int, ...]], base_path: Path, base: Header) -> None:
    """Raise ``InputError`` when a tensor of the adapter has no counterpart, or one of another shape, in the base.

    ``shapes`` is name → dimensions as GGUF has them, the fastest first.
    For a weight of (columns, rows), A is (columns, rank) and B is (rank, rows).
    """
    names = {name.rpartition(".lora_")[0] for name in shapes if name.endswith(_FACTORS)}
    if not all(name.endswith(_FACTORS) for name in shapes):
        raise ModelError(f"{path}: holds something else than pairs of LoRA factors", "convert the adapter again")
    for name in sorted(names):
        first, second = (shapes.get(name + factor, ()) for factor in _FACTORS)
        weight = base.shapes.get(name)
        if weight is None:
            raise InputError(f"{path}: an adapter of {name}, which {base_path.name} does not have", _WAY_OUT)
        if (*first[:1], *second[1:]) != weight or first[1:] != second[:1]:
            raise InputError(
                f"{path}: an adapter of {name} with the shapes {first} and {second}, which do not fit the "
                f"{weight} of {base_path.name}",
                _WAY_OUT,
            )
