"""A PEFT folder of a LoRA → the GGUF adapter file that llama.cpp lays over the base."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from greenloop.models.adapters import BASE_FINGERPRINT, BASE_SHA256, TOKENIZER_SHA256, check_shapes
from greenloop.models.conversion.llama import ARCHITECTURE, laid_out, names
from greenloop.models.conversion.weights import Array, as_f16, read_json, read_weights, refuse_pickle
from greenloop.models.gguf import Header, check_gguf
from greenloop.models.identity import fingerprint
from greenloop.records import InputError
from greenloop.storage import sha256_of, staged

CONFIG = "adapter_config.json"
_FACTOR = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<factor>[AB])\.weight")
# settings of PEFT that change what a LoRA computes, and the only values that llama.cpp's can follow
_PLAIN: dict[str, tuple[object, ...]] = {
    "peft_type": ("LORA",),
    "bias": (None, "none"),
    "use_dora": (None, False),
    "fan_in_fan_out": (None, False),
    "modules_to_save": (None, []),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
    "trainable_token_indices": (None, {}, []),
    "lora_bias": (None, False),
}


def convert_adapter(folder: Path, base: Path, target: Path) -> Header:
    """Write the LoRA in ``folder`` as the GGUF file ``target``, in half precision, for the GGUF model ``base``.

    llama.cpp scales B·A by alpha / rank; where PEFT took alpha / sqrt(rank) (``use_rslora``) the stored alpha makes up
    for it. Equal folders and bases give equal bytes.

    Raises ``InputError`` when the folder holds no such LoRA, weights in pickle, or a LoRA of another model, and
    ``ModelError`` when ``base`` is no whole GGUF file.
    """
    refuse_pickle(folder)
    config = read_json(folder / CONFIG)
    alpha = _alpha(config, folder / CONFIG)
    header = check_gguf(base)
    if header.is_adapter or header.architecture != ARCHITECTURE:
        raise InputError(f"{base}: a base of the architecture {header.architecture} cannot be taken", "give a Llama")
    tensors = dict(sorted(_tensors(folder, header)))
    if not tensors:
        raise InputError(f"{folder}: an adapter without a tensor", "train it again")
    check_shapes(folder, {name: array.shape[::-1] for name, array in tensors.items()}, base, header)
    with staged(target) as beside:
        writer = gguf.GGUFWriter(beside, ARCHITECTURE)
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
        writer.add_string(BASE_SHA256, sha256_of(base))
        writer.add_string(BASE_FINGERPRINT, fingerprint(base))
        writer.add_string(TOKENIZER_SHA256, header.tokenizer_sha256)
        for name, array in tensors.items():
            writer.add_tensor(name, array)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return check_gguf(target)


def _alpha(config: dict[str, Any], path: Path) -> float:
    for key, plain in _PLAIN.items():
        if config.get(key) not in plain:
            raise InputError(
                f"{path}: {key} is {config.get(key)!r}, which an adapter file cannot say",
                "train a plain LoRA, or merge it into its base and convert that",
            )
    try:
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: r or lora_alpha is missing or no number", "give the file that PEFT wrote") from error
    return alpha * rank**0.5 if config.get("use_rslora") else alpha


def _tensors(folder: Path, base: Header) -> Iterator[tuple[str, NDArray[np.float16]]]:
    heads, kv_heads, blocks = (
        int(base.metadata.get(f"{ARCHITECTURE}.{key}", 0))
        for key in ("attention.head_count", "attention.head_count_kv", "block_count")
    )
    known = names(blocks)
    path = folder / "adapter_model.safetensors"
    for key, array in read_weights(folder, "adapter_model"):
        found = _FACTOR.fullmatch(key)
        name = known.get_name(found["module"]) if found is not None else None
        if found is None or name is None or f"{name}.weight" not in base.shapes:
            raise InputError(
                f"{path}: {key} is no LoRA factor of a weight that the base has",
                "train LoRA on the linear layers (q, k, v, o, gate, up, down) alone",
            )
        weight = f"{name}.weight"
        if found["factor"] == "B":
            array = _rows(path, key, array, weight, base, heads, kv_heads)  # noqa: PLW2901 - the same tensor, ordered
        yield f"{weight}.lora_{found['factor'].lower()}", np.ascontiguousarray(as_f16(path, key, array))


def _rows(path: Path, key: str, array: Array, weight: str, base: Header, heads: int, kv_heads: int) -> Array:
    rows = base.shapes[weight][-1]
    if array.ndim != 2 or array.shape[0] != rows:
        raise InputError(f"{path}: {key} has the shape {array.shape}, the base {rows} rows", "name the right base")
    return laid_out(weight, array, heads, kv_heads)
