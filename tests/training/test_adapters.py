"""An adapter fits the base and the tokenizer that it was trained with, and no other."""

from pathlib import Path

import pytest
import torch

from greenloop.records import InputError
from greenloop.training.adapters import check_parent, parent_adapter
from greenloop.training.base_model import Base, load_model
from greenloop.training.run_folder import RunFolder


def test_another_tokenizer_is_refused(finished: RunFolder) -> None:
    card = finished.read_card()
    other = card.base.model_copy(update={"tokenizer_sha256": "0" * 64, "name": "other"})
    with pytest.raises(InputError, match="another tokenizer or chat template than that of other"):
        check_parent(card, other, finished.path)


def test_another_base_is_refused(finished: RunFolder) -> None:
    card = finished.read_card()
    other = card.base.model_copy(update={"sha256": "0" * 64, "name": "other"})
    with pytest.raises(InputError, match="trained on another base"):
        check_parent(card, other, finished.path)


def test_an_unfinished_run_is_refused(finished: RunFolder) -> None:
    card = finished.read_card().model_copy(update={"status": "stopped"})
    with pytest.raises(InputError, match="not finished"):
        check_parent(card, card.base, finished.path)


def test_an_adapter_in_a_pickle_is_refused(finished: RunFolder, tiny: Base, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    card = finished.read_card()
    run.write_card(card)
    run.adapter.mkdir()
    (run.adapter / "adapter_config.json").write_bytes((finished.adapter / "adapter_config.json").read_bytes())
    (run.adapter / "adapter_model.bin").write_bytes(b"\x80\x04N.")
    model = load_model(tiny, dtype=torch.float32, attention="sdpa")
    with pytest.raises(InputError, match=r"adapter_model\.bin: weights in a pickle"):
        parent_adapter(model, run, card.base)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"card\.json is missing"):
        RunFolder(tmp_path).read_card()
