"""What Llama-architecture models are called in GGUF, and how llama.cpp lays out their attention."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf

from greenloop.models.conversion.weights import Array
from greenloop.records import InputError

ARCHITECTURE = "llama"
_ATTENTION = re.compile(r"blk\.\d+\.attn_([qk])\.weight")
_UNSUPPORTED = ("attention_bias", "mlp_bias", "quantization_config", "auto_map")


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The sizes of a model, as its ``config.json`` gives them."""

    blocks: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_width: int
    context: int
    vocabulary: int
    rope_base: float
    norm_epsilon: float
    tied: bool
    """Whether the output is the embedding's transpose, so that no weights of its own are stored."""


def hyperparameters(config: Mapping[str, Any], path: Path) -> Hyperparameters:
    """Read the ``config.json`` at ``path``.

    Raises ``InputError`` when it is of another architecture, lacks a size, or asks for what is not carried over.
    """
    architectures = config.get("architectures") or [str(config.get("model_type"))]
    if architectures not in (["LlamaForCausalLM"], ["llama"]):
        raise InputError(
            f"{path}: the architecture {', '.join(map(str, architectures))} cannot be converted",
            "only LlamaForCausalLM can; llama.cpp's own convert_hf_to_gguf.py knows others",
        )
    for key in _UNSUPPORTED:
        if config.get(key):
            raise InputError(f"{path}: {key} is set, which cannot be converted", "save plain weights of the model")
    # transformers 5 keeps rope's settings together, earlier versions in two keys
    rope = config.get("rope_parameters") or {**(config.get("rope_scaling") or {})}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise InputError(f"{path}: scaled rope ({kind}) cannot be converted", "use llama.cpp's convert_hf_to_gguf.py")
    try:
        heads, width = int(config["num_attention_heads"]), int(config["hidden_size"])
        return Hyperparameters(
            blocks=int(config["num_hidden_layers"]),
            width=width,
            feed_forward=int(config["intermediate_size"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_width=int(config.get("head_dim") or width // heads),
            context=int(config["max_position_embeddings"]),
            vocabulary=int(config["vocab_size"]),
            rope_base=float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0),
            norm_epsilon=float(config["rms_norm_eps"]),
            tied=bool(config.get("tie_word_embeddings", False)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: lacks a size, or it is no number: {error}", "save the model again") from error


def names(blocks: int) -> gguf.TensorNameMap:
    """Return the map from Hugging Face's names of tensors to GGUF's."""
    return gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, blocks)


def laid_out(name: str, array: Array, heads: int, kv_heads: int) -> Array:
    """Return the tensor of the GGUF name ``name``, (rows, columns), with its rows in llama.cpp's order.

    llama.cpp's rope turns neighbouring rows of a head together, Hugging Face's the rows of its two halves; so the rows
    of q and k, head by head, are interleaved. Of a LoRA pair that concerns B, whose rows are the weight's.
    """
    found = _ATTENTION.match(name)
    if found is None:
        return array
    count = heads if found[1] == "q" else kv_heads
    rows, columns = array.shape
    return array.reshape(count, 2, rows // count // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def as_trained(name: str, array: Array, heads: int, kv_heads: int) -> Array:
    """Return the tensor of the GGUF name ``name`` with its rows in Hugging Face's order; undoes ``laid_out``."""
    found = _ATTENTION.match(name)
    if found is None:
        return array
    count = heads if found[1] == "q" else kv_heads
    rows, columns = array.shape
    return array.reshape(count, rows // count // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
