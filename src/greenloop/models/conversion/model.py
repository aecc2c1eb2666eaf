"""A Hugging Face folder with whole weights → a GGUF model."""

from pathlib import Path
from typing import Literal

import gguf
import numpy as np

from greenloop.models.conversion.llama import ARCHITECTURE, Hyperparameters, hyperparameters, laid_out, names
from greenloop.models.conversion.tokenizer import write_tokenizer
from greenloop.models.conversion.weights import Array, as_f16, read_json, read_weights, refuse_pickle
from greenloop.models.gguf import Header, check_gguf
from greenloop.models.identity import folder_sha256
from greenloop.records import InputError
from greenloop.storage import staged

FloatType = Literal["f16", "f32"]

SOURCE_SHA256 = "greenloop.source_sha256"
"""Key of the identity of the folder that a GGUF file was made from, as run cards name a base."""


def convert_model(
    folder: Path, target: Path, *, tokenizer: Path | None = None, like: Path | None = None, dtype: FloatType = "f16"
) -> Header:
    """Write the model in ``folder`` as the GGUF file ``target``: matrices as ``dtype``, vectors as float32.

    ``tokenizer`` is the folder of ``tokenizer.json`` (the same by default). ``like`` is the GGUF model that it was
    trained from: its tokenizer and chat template are taken over as they are, once the tokens are known to be the same.
    All weights are in memory at once. Equal folders give equal bytes.

    Raises ``InputError`` when the folder holds no Llama, weights in pickle, lacks a tensor or has one too many.
    """
    refuse_pickle(folder)
    sizes = hyperparameters(read_json(folder / "config.json"), folder / "config.json")
    with staged(target) as beside:
        writer = gguf.GGUFWriter(beside, ARCHITECTURE)
        _write_sizes(writer, sizes, folder.resolve().name, dtype)
        writer.add_string(SOURCE_SHA256, folder_sha256(folder))
        write_tokenizer(writer, tokenizer or folder, vocabulary=sizes.vocabulary, like=like)
        for name, array in sorted(_tensors(folder, sizes).items()):
            path = folder / "model.safetensors"
            wide = array.ndim == 1 or dtype == "f32"
            writer.add_tensor(
                name, np.ascontiguousarray(array.astype(np.float32) if wide else as_f16(path, name, array))
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return check_gguf(target)


def _write_sizes(writer: gguf.GGUFWriter, sizes: Hyperparameters, name: str, dtype: FloatType) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if dtype == "f16" else gguf.LlamaFileType.ALL_F32)
    writer.add_block_count(sizes.blocks)
    writer.add_context_length(sizes.context)
    writer.add_embedding_length(sizes.width)
    writer.add_feed_forward_length(sizes.feed_forward)
    writer.add_head_count(sizes.heads)
    writer.add_head_count_kv(sizes.kv_heads)
    writer.add_key_length(sizes.head_width)
    writer.add_value_length(sizes.head_width)
    writer.add_rope_dimension_count(sizes.head_width)
    writer.add_rope_freq_base(sizes.rope_base)
    writer.add_layer_norm_rms_eps(sizes.norm_epsilon)
    writer.add_vocab_size(sizes.vocabulary)


def _tensors(folder: Path, sizes: Hyperparameters) -> dict[str, Array]:
    known = names(sizes.blocks)
    found: dict[str, Array] = {}
    for key, array in read_weights(folder, "model"):
        if sizes.tied and key == "lm_head.weight":
            continue  # the embedding once more
        name = known.get_name(key, try_suffixes=(".weight",))
        if name is None:
            raise InputError(f"{folder}: {key} is no tensor of a Llama", "save the merged model, without adapters")
        found[name] = laid_out(name, array, sizes.heads, sizes.kv_heads)
    missing = sorted(_expected(sizes) - set(found))
    if missing:
        raise InputError(f"{folder}: {len(missing)} tensors are missing, such as {missing[0]}", "save the model again")
    return found


def _expected(sizes: Hyperparameters) -> set[str]:
    block = ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down")
    outer = ["token_embd", "output_norm", *([] if sizes.tied else ["output"])]
    return {f"{name}.weight" for name in outer} | {
        f"blk.{number}.{name}.weight" for number in range(sizes.blocks) for name in block
    }
