"""PEFT folders of LoRAs, written without torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

# module → (rows, columns) of SmolLM2-135M's weights
SMOLLM2 = {
    "self_attn.q_proj": (576, 576),
    "self_attn.k_proj": (192, 576),
    "self_attn.v_proj": (192, 576),
    "self_attn.o_proj": (576, 576),
    "mlp.gate_proj": (1536, 576),
    "mlp.up_proj": (1536, 576),
    "mlp.down_proj": (576, 1536),
}
CONFIG: dict[str, Any] = {"peft_type": "LORA", "r": 16, "lora_alpha": 32, "bias": "none"}


def lora(
    folder: Path,
    *,
    rank: int = 16,
    blocks: int = 30,
    shapes: Mapping[str, tuple[int, int]] = SMOLLM2,
    scale: float = 0.02,
    **config: object,
) -> Path:
    """Write a LoRA of random factors; ``config`` replaces keys of ``adapter_config.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    tensors = {}
    for block in range(blocks):
        for module, (rows, columns) in shapes.items():
            key = f"base_model.model.model.layers.{block}.{module}"
            tensors[f"{key}.lora_A.weight"] = random.normal(0, scale, (rank, columns)).astype(np.float32)
            tensors[f"{key}.lora_B.weight"] = random.normal(0, scale, (rows, rank)).astype(np.float32)
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, "r": rank, **config}))
    return folder
