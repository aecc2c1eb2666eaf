"""What was converted can be trained further."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.models.conversion.conftest import Tiny
from tests.models.peft_folders import lora

from greenloop.models.conversion.adapter import convert_adapter
from greenloop.models.conversion.model import convert_model
from greenloop.models.conversion.restore import restore_adapter
from greenloop.models.local import find_smollm2
from greenloop.records import InputError


def test_there_and_back(tmp_path: Path) -> None:
    base, before = find_smollm2(), lora(tmp_path / "before", blocks=2)
    convert_adapter(before, base, tmp_path / "one.gguf")
    restore_adapter(tmp_path / "one.gguf", base, tmp_path / "after", name="smollm2")
    weights, again = (load_file(folder / "adapter_model.safetensors") for folder in (before, tmp_path / "after"))
    assert weights.keys() == again.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(again[name], array.astype(np.float16).astype(np.float32), err_msg=name)
    configs = [json.loads((folder / "adapter_config.json").read_text()) for folder in (before, tmp_path / "after")]
    assert configs[0]["r"] == configs[1]["r"]
    assert configs[0]["lora_alpha"] == configs[1]["lora_alpha"]
    assert configs[1]["base_model_name_or_path"] == "smollm2"
    convert_adapter(tmp_path / "after", base, tmp_path / "two.gguf")
    assert (tmp_path / "two.gguf").read_bytes() == (tmp_path / "one.gguf").read_bytes()


def test_an_adapter_of_another_base_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    convert_model(tiny.folder, tmp_path / "base.gguf")
    convert_adapter(tiny.adapter, tmp_path / "base.gguf", tmp_path / "adapter.gguf")
    with pytest.raises(InputError, match=r"adapter\.gguf"):
        restore_adapter(tmp_path / "adapter.gguf", find_smollm2(), tmp_path / "no", name="smollm2")
    assert not (tmp_path / "no").exists()
