"""A model file is checked before native code reads it."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.models.gguf import check_gguf
from greenloop.models.local import LocalModel
from greenloop.records import ModelError


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def small_gguf(*, version: int = 3, tensors: int = 1, data: int = 64, offset: int = 0) -> bytes:
    """A GGUF file with one F32 tensor of 16 elements, and metadata of several types."""
    entries = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("llama.context_length") + struct.pack("<II", 4, 2048),
        text("flag") + struct.pack("<IB", 7, 1),
        text("scores") + struct.pack("<IIQ3f", 9, 6, 3, 1.0, 2.0, 3.0),
        text("tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b"),
    ]
    head = b"GGUF" + struct.pack("<IQQ", version, tensors, len(entries)) + b"".join(entries)
    for _ in range(tensors):
        head += text("weight") + struct.pack("<IQQIQ", 2, 4, 4, 0, offset)
    return head + b"\0" * (-len(head) % 32) + b"\0" * data


def test_the_real_model(smollm2: LocalModel) -> None:
    header = check_gguf(smollm2.path)
    assert (header.architecture, header.context_tokens, header.tensors) == ("llama", 8192, 272)
    assert header.shapes["blk.0.attn_k.weight"] == (576, 192)
    assert header.metadata["llama.attention.head_count"] == 9
    assert header.text("tokenizer.ggml.pre") == "smollm"
    assert not header.is_adapter
    assert len(header.tokenizer_sha256) == 64


def test_a_small_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    path.write_bytes(small_gguf())
    header = check_gguf(path)
    assert (header.architecture, header.name, header.context_tokens, header.tensors) == ("llama", "small", 2048, 1)
    assert header.shapes == {"weight": (4, 4)}
    assert header.metadata["flag"] is True
    assert header.text("flag") == header.text("none") == header.tokenizer_sha256 == ""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a GGUF file"),
        (b"<html>not found</html>", "not a GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not a GGUF file"),
        (b"GGUF", "its header ends too early"),
        (small_gguf(version=1), "version 1 cannot be read"),
        (small_gguf(version=0x03000000), "cannot be read"),
        (small_gguf(tensors=0), "without a model"),
        (small_gguf(data=63), "at least 1 bytes of its tensors are missing"),
        (small_gguf(offset=1 << 40), "of its tensors are missing"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60), "its header ends too early"),
    ],
)
def test_a_foreign_or_damaged_file(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        check_gguf(path)
    assert says in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.way_out


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model file"):
        check_gguf(tmp_path / "none.gguf")
    with pytest.raises(ModelError, match="no such model file"):
        check_gguf(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_anywhere_in_the_header_never_surprises(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(small_gguf())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 65))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.gguf"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        header = check_gguf(path)
    except ModelError:
        return
    assert header.architecture


def test_every_cut_of_the_real_model_is_refused(short_gguf: Callable[[int], Path], smollm2: LocalModel) -> None:
    size = smollm2.path.stat().st_size
    for kept in (3, 4, 23, 1_000, 500_000, 2_000_000, size // 2, size - 1):
        with pytest.raises(ModelError):
            check_gguf(short_gguf(kept))
