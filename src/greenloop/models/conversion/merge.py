"""A GGUF model and its GGUF LoRA → one GGUF model in 8 bits, which llama.cpp evaluates faster than the two."""

from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray

from greenloop.models.adapters import check_adapter
from greenloop.models.gguf import Header, check_gguf
from greenloop.models.identity import fingerprint
from greenloop.records import InputError
from greenloop.storage import sha256_of, staged

MERGED_BASE = "greenloop.merged_base_fingerprint"
"""Key of ``models.identity.fingerprint`` of the base that an adapter was merged into."""
MERGED_ADAPTER = "greenloop.merged_adapter_sha256"
"""Key of the SHA-256 of the adapter's file."""
_KIND = gguf.GGMLQuantizationType.Q8_0
_SKIPPED = ("GGUF.", "general.architecture", "general.file_type")


def merge_adapter(base: Path, adapter: Path, target: Path) -> Header:
    """Write ``base`` with ``adapter`` at full strength as ``target``: W + alpha / rank · B·A, matrices in Q8_0.

    Vectors stay in single precision, and everything else that ``base`` says of itself is taken over. A matrix of the
    base in single precision (four bytes a weight) is the most that is in memory beside the result. Equal files give
    equal bytes.

    Raises ``InputError`` when the adapter is none of that base, or has a matrix whose rows are no multiple of 32 long;
    ``ModelError`` when either is no whole GGUF file.
    """
    header = check_gguf(base)
    check_adapter(adapter, base, header)
    factors = gguf.GGUFReader(str(adapter))
    alpha = factors.get_field(gguf.Keys.Adapter.LORA_ALPHA)
    given = {tensor.name: np.asarray(tensor.data, dtype=np.float32) for tensor in factors.tensors}
    reader = gguf.GGUFReader(str(base))
    with staged(target) as beside:
        writer = gguf.GGUFWriter(beside, header.architecture)
        _say(writer, reader)
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
        writer.add_string(MERGED_BASE, fingerprint(base))
        writer.add_string(MERGED_ADAPTER, sha256_of(adapter))
        for tensor in reader.tensors:
            weights = dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
            down, up = (given.get(f"{tensor.name}.lora_{factor}") for factor in "ab")
            if down is not None and up is not None:
                # llama.cpp takes an alpha that is not there, or 0, for a scale of 1
                scale = float(alpha.contents()) / down.shape[0] if alpha is not None and alpha.contents() else 1.0
                weights = weights + scale * (up @ down)
            _add(writer, tensor.name, weights, base)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return check_gguf(target)


def _say(writer: gguf.GGUFWriter, reader: gguf.GGUFReader) -> None:
    for field in reader.fields.values():
        if field.name.startswith(_SKIPPED):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind is gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)


def _add(writer: gguf.GGUFWriter, name: str, weights: NDArray[np.float32], base: Path) -> None:
    if weights.ndim == 1:
        writer.add_tensor(name, weights)
        return
    if weights.shape[-1] % gguf.GGML_QUANT_SIZES[_KIND][0]:
        raise InputError(f"{base}: the rows of {name} cannot be cut into blocks of 8 bits", "serve the two files")
    writer.add_tensor(name, quantize(weights, _KIND), raw_dtype=_KIND)
