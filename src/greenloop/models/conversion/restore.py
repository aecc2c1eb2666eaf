"""The way back: a GGUF adapter → the PEFT folder that training goes on from."""

import json
from pathlib import Path

import gguf
import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from greenloop.models.adapters import check_adapter
from greenloop.models.conversion.adapter import CONFIG
from greenloop.models.conversion.llama import ARCHITECTURE, as_trained, names
from greenloop.models.gguf import check_gguf
from greenloop.records import InputError
from greenloop.storage import write_atomically

MODULES = {
    "q_proj": "self_attn",
    "k_proj": "self_attn",
    "v_proj": "self_attn",
    "o_proj": "self_attn",
    "gate_proj": "mlp",
    "up_proj": "mlp",
    "down_proj": "mlp",
}
"""The linear layers of a block, and what they are part of."""


def restore_adapter(adapter: Path, base: Path, folder: Path, *, name: str) -> None:
    """Write the GGUF LoRA ``adapter`` of the GGUF model ``base`` as a PEFT folder, in single precision.

    ``name`` is what its configuration calls the base. Converted again it gives the same file. Raises ``InputError``
    when it is no LoRA of that base.
    """
    header = check_gguf(base)
    check_adapter(adapter, base, header)
    heads, kv_heads, blocks = (
        int(header.metadata.get(f"{ARCHITECTURE}.{key}", 0))
        for key in ("attention.head_count", "attention.head_count_kv", "block_count")
    )
    known = names(blocks)
    modules = {
        f"{known.get_name(module)}.weight": module
        for block in range(blocks)
        for layer, part in MODULES.items()
        for module in [f"model.layers.{block}.{part}.{layer}"]
    }
    reader = gguf.GGUFReader(str(adapter))
    weights, ranks = {}, set()
    for tensor in reader.tensors:
        weight, _, factor = tensor.name.rpartition(".lora_")
        if weight not in modules or factor not in ("a", "b"):
            raise InputError(f"{adapter}: {tensor.name} is no LoRA factor of a linear layer", "train it again")
        array = np.asarray(tensor.data, dtype=np.float32)
        ranks.add(array.shape[0] if factor == "a" else array.shape[1])
        if factor == "b":
            array = as_trained(weight, array, heads, kv_heads)
        key = f"base_model.model.{modules[weight]}.lora_{factor.upper()}.weight"
        weights[key] = np.ascontiguousarray(array)
    if len(ranks) != 1:
        raise InputError(f"{adapter}: its factors have ranks {sorted(ranks)}", "PEFT's plain LoRA has one")
    alpha = reader.get_field(gguf.Keys.Adapter.LORA_ALPHA)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": name,
        "r": ranks.pop(),
        "lora_alpha": float(alpha.contents()) if alpha is not None else 0.0,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted({module.rpartition(".")[2] for module in modules.values() if _has(weights, module)}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "adapter_model.safetensors", safetensors.numpy.save(weights, {"format": "pt"}))
    write_atomically(folder / CONFIG, (json.dumps(config, indent=2, sort_keys=True) + "\n").encode())


def _has(weights: dict[str, NDArray[np.float32]], module: str) -> bool:
    return f"base_model.model.{module}.lora_A.weight" in weights
