"""Adapters for the embedded SmolLM2: their size, what they are bound to, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tests.models.peft_folders import SMOLLM2, lora

from greenloop.models.adapters import BASE_SHA256, check_adapter
from greenloop.models.conversion.adapter import convert_adapter
from greenloop.models.gguf import check_gguf
from greenloop.models.local import LocalModel, find_smollm2
from greenloop.models.seam import Message, Request
from greenloop.records import InputError, ModelError
from greenloop.storage import sha256_of

Array = NDArray[Any]
ASKED = Request((Message("user", "What is the capital of France?"),), max_tokens=8)


def test_a_whole_lora_of_smollm2_is_small_and_served(tmp_path: Path) -> None:
    made = tmp_path / "adapter.gguf"
    header = convert_adapter(lora(tmp_path / "lora", scale=0.1), find_smollm2(), made)
    assert header.is_adapter
    assert header.tensors == 2 * 7 * 30
    assert header.metadata["adapter.lora.alpha"] == 32.0
    assert header.text(BASE_SHA256) == sha256_of(find_smollm2())
    assert made.stat().st_size <= 12_000_000
    with LocalModel(context_tokens=256) as plain, LocalModel(adapter=made, context_tokens=256) as adapted:
        assert adapted.name == "local:SmolLM2-135M-Instruct.Q4_1+adapter"
        assert plain.complete(ASKED)[0].text != adapted.complete(ASKED)[0].text


def test_equal_folders_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        convert_adapter(lora(tmp_path / name, blocks=2), find_smollm2(), tmp_path / f"{name}.gguf")
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "two.gguf").read_bytes()


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'"),
        ({"use_dora": True}, "use_dora is True"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"modules_to_save": ["embed_tokens"]}, "modules_to_save"),
        ({"rank_pattern": {"q_proj": 8}}, "rank_pattern"),
        ({"lora_alpha": None}, "lora_alpha is missing"),
    ],
)
def test_what_an_adapter_file_cannot_say(tmp_path: Path, config: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        convert_adapter(lora(tmp_path / "lora", blocks=1, **config), find_smollm2(), tmp_path / "adapter.gguf")
    assert not (tmp_path / "adapter.gguf").exists()


def change_tensors(folder: Path, change: Callable[[dict[str, Array]], None]) -> Path:
    tensors = load_file(folder / "adapter_model.safetensors")
    change(tensors)
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


KEY = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tensors: tensors.pop(KEY), r"blk\.0\.attn_q\.weight with the shapes"),
        (lambda tensors: tensors.update({KEY: tensors[KEY][:, :100]}), r"blk\.0\.attn_q\.weight with the shapes"),
        (lambda tensors: tensors.update({KEY: np.full_like(tensors[KEY], np.nan)}), "not finite"),
        (lambda tensors: tensors.update({KEY: tensors[KEY] * 1e9}), "too large for half precision"),
        (lambda tensors: tensors.update({KEY: tensors[KEY].astype(np.int8)}), "not of floating point"),
        (lambda tensors: tensors.update({"base_model.model.lm_head.lora_A.weight": tensors[KEY]}), "linear layers"),
        (lambda tensors: tensors.update({KEY.replace("layers.0", "layers.30"): tensors[KEY]}), "linear layers"),
        (lambda tensors: tensors.clear(), "without a tensor"),
    ],
)
def test_tensors_that_do_not_fit(
    tmp_path: Path,
    change: Callable[[dict[str, Array]], None],
    says: str,
) -> None:
    folder = change_tensors(lora(tmp_path / "lora", blocks=1), change)
    with pytest.raises(InputError, match=says):
        convert_adapter(folder, find_smollm2(), tmp_path / "adapter.gguf")
    assert list(tmp_path.iterdir()) == [folder], "nothing half made is left"


def test_an_adapter_of_a_wider_model(tmp_path: Path) -> None:
    wider = {module: (rows, 960 if columns == 576 else columns) for module, (rows, columns) in SMOLLM2.items()}
    with pytest.raises(InputError, match=r"do not fit the .* of SmolLM2-135M"):
        convert_adapter(lora(tmp_path / "lora", blocks=1, shapes=wider), find_smollm2(), tmp_path / "adapter.gguf")


def test_pickle_is_refused(tmp_path: Path) -> None:
    folder = lora(tmp_path / "lora", blocks=1)
    (folder / "training_args.bin").write_bytes(b"\x80\x04")
    convert_adapter(folder, find_smollm2(), tmp_path / "adapter.gguf")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(InputError, match=r"weights in pickle are refused \(adapter_model.bin\)"):
        convert_adapter(folder, find_smollm2(), tmp_path / "adapter.gguf")


def test_damaged_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"adapter_config\.json: no such file"):
        convert_adapter(tmp_path, find_smollm2(), tmp_path / "adapter.gguf")
    folder = lora(tmp_path / "lora", blocks=1)
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        convert_adapter(folder, find_smollm2(), tmp_path / "adapter.gguf")
    (folder / "adapter_config.json").write_text("[")
    with pytest.raises(InputError, match=r"adapter_config\.json: not JSON"):
        convert_adapter(folder, find_smollm2(), tmp_path / "adapter.gguf")
    with pytest.raises(ModelError, match="not a GGUF file"):
        convert_adapter(lora(tmp_path / "two", blocks=1), weights, tmp_path / "adapter.gguf")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    convert_adapter(lora(folder / "lora", blocks=1), find_smollm2(), folder / "adapter.gguf")
    return folder / "adapter.gguf"


def rewritten(path: Path, target: Path, old: bytes, new: bytes) -> Path:
    """Copy a file with some bytes of it replaced by as many others."""
    content = path.read_bytes()
    assert content.count(old) >= 1
    assert len(old) == len(new)
    target.write_bytes(content.replace(old, new, 1))
    return target


def test_an_adapter_is_bound_to_its_base(adapter: Path, tmp_path: Path) -> None:
    base = find_smollm2()
    other = tmp_path / "other.gguf"
    content = bytearray(base.read_bytes())
    content[-1_000_000:] = bytes(1_000_000)
    other.write_bytes(content)
    check_adapter(adapter, base, check_gguf(base))
    with pytest.raises(InputError, match=r"for another base than other\.gguf"):
        LocalModel(other, adapter=adapter)


def test_an_adapter_knows_its_tokenizer_and_architecture(adapter: Path, tmp_path: Path) -> None:
    swapped = rewritten(find_smollm2(), tmp_path / "b.gguf", b"\x06\0\0\0\0\0\0\0smollm", b"\x06\0\0\0\0\0\0\0refact")
    with pytest.raises(InputError, match="a model with another tokenizer than"):
        LocalModel(swapped, adapter=adapter)
    with pytest.raises(InputError, match=r"for the architecture qwen2, but .* is of llama"):
        LocalModel(
            adapter=rewritten(adapter, tmp_path / "c.gguf", b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0qwen2")
        )


def test_files_in_each_others_place(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="an adapter, which needs the model"):
        LocalModel(adapter)
    with pytest.raises(InputError, match="but no LoRA adapter"):
        LocalModel(adapter=find_smollm2())
    with pytest.raises(ModelError, match="no such model file"):
        LocalModel(adapter=tmp_path / "none.gguf")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(adapter.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cut short"):
        LocalModel(adapter=cut)


def test_the_config_that_peft_writes_is_taken(tmp_path: Path) -> None:
    """The keys of PEFT 0.21 that change nothing."""
    whole: dict[str, Any] = {
        "alpha_pattern": {},
        "rank_pattern": {},
        "modules_to_save": None,
        "fan_in_fan_out": False,
        "lora_bias": False,
    }
    folder = lora(tmp_path / "lora", blocks=1, **whole)
    convert_adapter(folder, find_smollm2(), tmp_path / "adapter.gguf")
    assert json.loads((folder / "adapter_config.json").read_text())["alpha_pattern"] == {}
