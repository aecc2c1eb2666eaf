"""What is handed to the book: runs, PEFT folders and GGUF files, each checked against its base and opened once."""

import json
import shutil
from pathlib import Path

import pytest
import tokenizers
from tests.models.conversion.conftest import Tiny, smollm2_tokenizer
from tests.models.peft_folders import lora

from greenloop.models.conversion.adapter import convert_adapter
from greenloop.models.conversion.intake import from_adapter, from_gguf, from_run
from greenloop.models.conversion.model import convert_model
from greenloop.models.identity import folder_sha256
from greenloop.models.local import find_smollm2
from greenloop.records import Asking, InputError, Strategy
from greenloop.storage import sha256_of


def run_folder(folder: Path, *, sha256: str, **card: object) -> Path:
    """Write a run folder with a card and SmolLM2's tokenizer."""
    folder.mkdir()
    whole = {
        "record": "RunCard", "version": 1, "id": "0123456789abcdef", "kind": "sft", "name": "r", "greenloop": "0.1.0",
        "base": {"name": "local", "sha256": sha256, "tokenizer_sha256": "t"}, "parent": None, "dataset": "data",
        "recipe_sha256": "recipe", "status": "finished", "steps": 3, "data_sha256": "d", "seeds": {}, "packages": {},
        "examples": 7, "asking": {"strategy": "bare-blocks", "budget_tokens": 350},
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps({**whole, **card}))
    smollm2_tokenizer().save_pretrained(folder / "tokenizer")
    return folder


def test_a_run_on_the_embedded_model(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", sha256=sha256_of(find_smollm2()), parent="parent")
    lora(run / "adapter", blocks=2)
    taken = from_run(run, None, tmp_path)
    assert taken.made.model is None
    assert taken.made.adapter is not None
    lineage = taken.lineage
    assert lineage.asking == Asking(strategy=Strategy.BARE_BLOCKS, budget_tokens=350)
    assert (lineage.run, lineage.kind, lineage.parent) == ("0123456789abcdef", "sft", "parent")
    assert (lineage.dataset, lineage.recipe_sha256, lineage.base_sha256) == (
        "data",
        "recipe",
        sha256_of(find_smollm2()),
    )


def test_a_run_on_a_base_of_ones_own(tiny: Tiny, tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", sha256=folder_sha256(tiny.folder))
    shutil.copytree(tiny.adapter, run / "adapter")
    with pytest.raises(InputError, match=r"started from local .*, which the embedded SmolLM2 is not"):
        from_run(run, None, tmp_path)
    with pytest.raises(InputError, match=r"which SmolLM2-135M-Instruct.Q4_1.gguf is not"):
        from_run(run, find_smollm2(), tmp_path)
    convert_model(tiny.folder, tmp_path / "base.gguf")
    taken = from_run(run, tmp_path / "base.gguf", tmp_path)
    assert taken.made.model == tmp_path / "base.gguf"


def test_a_run_that_trained_the_whole_model(tiny: Tiny, tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", sha256="0" * 64)
    shutil.copytree(tiny.folder, run / "model")
    taken = from_run(run, None, tmp_path)
    assert (taken.made.model, taken.made.adapter) == (tmp_path / "model.gguf", None)
    like = from_run(run_copy(run, tmp_path / "like", sha256_of(find_smollm2())), find_smollm2(), tmp_path)
    assert like.made.model is not None


def run_copy(run: Path, target: Path, sha256: str) -> Path:
    shutil.copytree(run, target)
    card = json.loads((target / "card.json").read_text())
    card["base"]["sha256"] = sha256
    (target / "card.json").write_text(json.dumps(card))
    return target


def test_runs_that_are_none(tmp_path: Path) -> None:
    sha256 = sha256_of(find_smollm2())
    with pytest.raises(InputError, match=r"card\.json: no such file"):
        from_run(tmp_path, None, tmp_path)
    with pytest.raises(InputError, match="the run is stopped"):
        from_run(run_folder(tmp_path / "a", sha256=sha256, status="stopped"), None, tmp_path)
    with pytest.raises(InputError, match="holds neither adapter/ nor model/"):
        from_run(run_folder(tmp_path / "b", sha256=sha256), None, tmp_path)
    with pytest.raises(InputError, match=r"card\.json: no card of a training run: RunCard: base: "):
        from_run(run_folder(tmp_path / "c", sha256=sha256, base="local"), None, tmp_path)
    with pytest.raises(InputError, match="no card of a training run"):
        from_run(run_folder(tmp_path / "d", sha256=sha256, record="Other"), None, tmp_path)


def test_a_tokenizer_that_cuts_digits_otherwise_is_refused(tmp_path: Path) -> None:
    """As transformers reads it from a GGUF file: the same tokens and merges, another cut."""
    run = run_folder(tmp_path / "run", sha256=sha256_of(find_smollm2()))
    lora(run / "adapter", blocks=1)
    path = run / "tokenizer/tokenizer.json"
    made = tokenizers.Tokenizer.from_file(str(path))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.save(str(path))
    with pytest.raises(InputError, match=r"reads a text otherwise than SmolLM2.*tokens in the place of"):
        from_run(run, None, tmp_path)


def test_an_adapter_with_a_foreign_tokenizer_beside_it(tmp_path: Path) -> None:
    folder = lora(tmp_path / "lora", blocks=1)
    tokenizer = smollm2_tokenizer()
    tokenizer.save_pretrained(folder)
    assert from_adapter(folder, find_smollm2(), tmp_path).lineage.base_sha256 == sha256_of(find_smollm2())
    tokenizer.chat_template = "{{ messages }}"
    tokenizer.save_pretrained(folder)
    with pytest.raises(InputError, match="another chat template than that of"):
        from_adapter(folder, find_smollm2(), tmp_path)
    swapped = json.loads((folder / "tokenizer.json").read_text())
    vocab = swapped["model"]["vocab"]
    vocab["Ġt"], vocab["Ġa"] = vocab["Ġa"], vocab["Ġt"]
    (folder / "tokenizer.json").write_text(json.dumps(swapped))
    with pytest.raises(InputError, match=r"another tokenizer than that of .*: token \d+ is"):
        from_adapter(folder, find_smollm2(), tmp_path)


def test_gguf_files_as_they_are(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter.gguf"
    convert_adapter(lora(tmp_path / "lora", blocks=1), find_smollm2(), adapter)
    with pytest.raises(InputError, match="an adapter, which needs the model"):
        from_gguf(adapter, None)
    assert from_gguf(adapter, find_smollm2()).made.model is None
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(find_smollm2().read_bytes())
    assert from_gguf(adapter, copy).made.model is None, "the embedded model under another name"
    assert from_gguf(copy, None).made.model == copy
    with pytest.raises(InputError, match="a whole model, which needs no base"):
        from_gguf(copy, copy)
    (tmp_path / "model.pt").write_bytes(b"\x80\x04")
    with pytest.raises(InputError, match="weights in pickle are refused"):
        from_gguf(tmp_path / "model.pt", None)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "the architecture GPT2LMHeadModel cannot be converted"),
        ({"auto_map": {"AutoModel": "x.Y"}}, "auto_map is set"),
        ({"attention_bias": True}, "attention_bias is set"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, r"scaled rope \(yarn\)"),
        ({"hidden_size": None}, "lacks a size"),
        ({"num_hidden_layers": 3}, r"9 tensors are missing, such as blk\.2"),
        ({"vocab_size": 1000}, "tokens, the model has 1000"),
    ],
)
def test_models_that_cannot_be_converted(tiny: Tiny, tmp_path: Path, changes: dict[str, object], says: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny.folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(InputError, match=says):
        convert_model(folder, tmp_path / "model.gguf")
    assert not (tmp_path / "model.gguf").exists()


def test_a_model_without_a_template_or_in_pickle(tiny: Tiny, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny.folder, folder)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match="the tokenizer has no chat template"):
        convert_model(folder, tmp_path / "model.gguf")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"weights in pickle are refused \(pytorch_model.bin\)"):
        convert_model(folder, tmp_path / "model.gguf")
