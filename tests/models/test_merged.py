"""The embedded model with an adapter as one file: it says what the two say, and is made once."""

import os
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize

from greenloop.models import shipped
from greenloop.models.conversion.merge import merge_adapter
from greenloop.models.gguf import check_gguf
from greenloop.models.local import LocalModel, find_smollm2
from greenloop.models.merged import merged
from greenloop.models.registry import ModelSettings, open_model
from greenloop.models.seam import Message
from greenloop.records import InputError, ModelError

_ASKED = (Message("user", "a.ml\n```\nlet f x = y\n```\nUnbound value y\n\nfix it"),)
_REPLIES = ("a.ml\n<<<<\nlet f x = y\n====\nlet f x = x\n>>>>\n", "I shall look into it tomorrow.\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("merged")


@pytest.fixture(scope="module")
def file(folder: Path) -> Path:
    return merged(find_smollm2(), shipped.ADAPTER, folder)


def test_replies_are_worth_what_they_are_to_the_two_files(file: Path) -> None:
    with LocalModel(file, context_tokens=512) as one:
        found = one.log_likelihoods(_ASKED, _REPLIES)
    with LocalModel(adapter=shipped.ADAPTER, context_tokens=512) as two:
        wanted = two.log_likelihoods(_ASKED, _REPLIES)
    with LocalModel(context_tokens=512) as plain:
        without = plain.log_likelihoods(_ASKED, _REPLIES)
    # llama.cpp rounds activations otherwise before matrices of 4 bits than before those of 8
    assert found == pytest.approx(wanted, rel=0.1)
    assert abs(without[0] - wanted[0]) > 10 * abs(found[0] - wanted[0])


def test_every_matrix_is_the_sum(file: Path) -> None:
    base, adapter, made = (
        {tensor.name: tensor for tensor in gguf.GGUFReader(str(path)).tensors}
        for path in (find_smollm2(), shipped.ADAPTER, file)
    )
    assert base.keys() == made.keys()
    name = "blk.3.ffn_down.weight"
    down, up = (np.asarray(adapter[f"{name}.lora_{factor}"].data, np.float32) for factor in "ab")
    wanted = dequantize(base[name].data, base[name].tensor_type) + 32 / 16 * (up @ down)
    found = dequantize(made[name].data, made[name].tensor_type)
    assert np.abs(found - wanted).max() <= np.abs(wanted).max() / 127
    norm = "blk.3.attn_norm.weight"
    assert np.array_equal(made[norm].data, base[norm].data)


def test_it_says_of_itself_what_the_base_says(file: Path) -> None:
    made, base = check_gguf(file), check_gguf(find_smollm2())
    assert made.tokenizer_sha256 == base.tokenizer_sha256
    assert made.context_tokens == base.context_tokens
    assert made.text("tokenizer.chat_template") == base.text("tokenizer.chat_template")


def test_it_is_made_once_and_old_ones_go(file: Path, folder: Path) -> None:
    written = file.stat().st_ino
    for number in range(5):
        old = folder / f"{number}.gguf"
        old.write_bytes(b"old")
        os.utime(old, (number, number))
    assert merged(find_smollm2(), shipped.ADAPTER, folder) == file
    assert file.stat().st_ino == written
    assert {path.name for path in folder.iterdir()} == {file.name, "4.gguf", "3.gguf", "2.gguf"}


def test_the_shipped_model_is_opened_so(folder: Path, file: Path) -> None:
    with open_model("local", ModelSettings(context_tokens=256, merged=folder)) as model:
        assert isinstance(model, LocalModel)
        assert (model.name, model.path, model.adapter) == ("local", file, None)


def test_what_does_not_belong_together_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no LoRA adapter"):
        merge_adapter(find_smollm2(), find_smollm2(), tmp_path / "made.gguf")
    short = tmp_path / "short.gguf"
    short.write_bytes(shipped.ADAPTER.read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"short\.gguf"):
        merge_adapter(find_smollm2(), short, tmp_path / "made.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["short.gguf"]
