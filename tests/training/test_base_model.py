"""Bases: what will not do is named, nothing is fetched, no pickle is read, no code is run."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from greenloop.models.local import LocalModel
from greenloop.models.seam import Request
from greenloop.records import InputError, ModelError
from greenloop.training.base_model import Base, find_base, load_model, load_tokenizer, tokenizer_sha256
from greenloop.training.conversations import Conversation
from greenloop.training.tokens import Encoder


@pytest.fixture
def copied(tiny: Base, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may spoil."""
    return Path(shutil.copytree(tiny.folder, tmp_path / "model"))


def test_a_base_is_made_once(tiny: Base, bases: Path) -> None:
    made = tiny.folder.stat().st_mtime_ns
    assert find_base("random", bases) == tiny
    assert tiny.folder.stat().st_mtime_ns == made
    assert [path.name for path in bases.iterdir()] == [tiny.sha256]


def test_a_folder_is_a_base(copied: Path, bases: Path) -> None:
    found = find_base(str(copied), bases)
    assert (found.name, found.folder) == ("model", copied)
    (copied / "config.json").write_text((copied / "config.json").read_text() + "\n")
    assert find_base(str(copied), bases).sha256 != found.sha256


def test_a_name_is_not_looked_up_anywhere(bases: Path) -> None:
    with pytest.raises(InputError, match="no such model on this machine") as caught:
        find_base("HuggingFaceTB/SmolLM2-360M", bases)
    assert "hf download" in caught.value.way_out


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "consolidated.00.pth"])
def test_weights_in_a_pickle_are_refused(copied: Path, bases: Path, name: str) -> None:
    (copied / "model.safetensors").unlink()
    (copied / name).write_bytes(b"\x80\x04N.")
    with pytest.raises(InputError, match=f"{name}: weights in a pickle run code"):
        find_base(str(copied), bases)
    with pytest.raises(InputError, match="weights in a pickle run code"):
        find_base(str(copied / name), bases)


def test_code_of_a_model_is_never_run(copied: Path, bases: Path, tmp_path: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoModelForCausalLM": "modeling_mine.Mine"}}
    (copied / "config.json").write_text(json.dumps(config))
    (copied / "modeling_mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(InputError, match="code of its own"):
        find_base(str(copied), bases)
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model(Base("mine", copied, "0"), dtype=torch.float32, attention="sdpa")
    assert not (tmp_path / "ran").exists()


def test_a_base_without_a_chat_template_is_refused(copied: Path, bases: Path) -> None:
    (copied / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match="no chat template"):
        load_tokenizer(find_base(str(copied), bases))


def test_a_folder_without_a_model_is_refused(tmp_path: Path, bases: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json is missing"):
        find_base(str(tmp_path), bases)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="no weights here"):
        find_base(str(tmp_path), bases)


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path, bases: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"something else")
    with pytest.raises(ModelError, match="not a GGUF file"):
        find_base(str(path), bases)


def test_the_sum_of_a_tokenizer_covers_its_template(tokenizer: Any) -> None:
    held = tokenizer.chat_template
    before = tokenizer_sha256(tokenizer)
    tokenizer.chat_template = held + " "
    try:
        assert tokenizer_sha256(tokenizer) != before
    finally:
        tokenizer.chat_template = held


@pytest.mark.slow
def test_the_dequantised_model_answers_as_the_quantised_one_does(
    bases: Path, smoke_conversations: list[Conversation]
) -> None:
    base = find_base("smollm2", bases)
    assert (base.folder / "model.safetensors").is_file()
    tokenizer = load_tokenizer(base)
    model = load_model(base, dtype=torch.float32, attention="sdpa")
    messages = smoke_conversations[0][:-1]
    ids = torch.tensor([Encoder(tokenizer).prompt(messages)])
    reply = model.generate(ids, max_new_tokens=4, do_sample=False)[0, ids.shape[1] :]
    with LocalModel() as served:
        answer = served.complete(Request(messages, max_tokens=4))[0]
    assert tokenizer.decode(reply) == answer.text
