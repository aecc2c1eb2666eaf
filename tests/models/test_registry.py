"""Models by name."""

from pathlib import Path

import pytest
from tests.models.peft_folders import lora

from greenloop.models.book import Book, Made
from greenloop.models.conversion.adapter import convert_adapter
from greenloop.models.local import LocalModel
from greenloop.models.openai_server import OpenAIModel
from greenloop.models.registry import ModelSettings, open_model
from greenloop.models.scripted import ScriptedModel
from greenloop.models.seam import Message, Request
from greenloop.models.versions import Lineage
from greenloop.records import InputError, ModelError


def test_every_kind_of_model(tmp_path: Path, smollm2: LocalModel) -> None:
    script = tmp_path / "replies.jsonl"
    script.write_text('{"replies": ["yes"]}\n')
    with open_model(f"scripted:{script}") as scripted:
        assert isinstance(scripted, ScriptedModel)
        assert scripted.complete(Request((Message("user", "?"),)))[0].text == "yes"
    with open_model("openai:org/tiny@v2@http://127.0.0.1:9/v1", ModelSettings(api_key="k")) as served:
        assert isinstance(served, OpenAIModel)
        assert served.name == "openai:org/tiny@v2"
    with open_model(f"local:{smollm2.path}", ModelSettings(context_tokens=256)) as local:
        assert isinstance(local, LocalModel)
        assert local.context_tokens == 256
        assert local.name == smollm2.name


def test_an_adapter_on_a_file_and_on_the_embedded_model(tmp_path: Path, smollm2: LocalModel) -> None:
    adapter = tmp_path / "with+plus.gguf"
    convert_adapter(lora(tmp_path / "lora", blocks=1), smollm2.path, adapter)
    for name in (f"local:{smollm2.path}+{adapter}", f"local:+{adapter}"):
        with open_model(name, ModelSettings(context_tokens=256)) as model:
            assert isinstance(model, LocalModel)
            assert (model.path, model.adapter) == (smollm2.path, adapter)
    plus = tmp_path / "base.gguf+more.gguf"
    plus.symlink_to(smollm2.path)
    with open_model(f"local:{plus}", ModelSettings(context_tokens=256)) as model:
        assert isinstance(model, LocalModel)
        assert (model.path, model.adapter) == (plus, None)


def test_models_of_the_book(tmp_path: Path, smollm2: LocalModel) -> None:
    adapter = tmp_path / "adapter.gguf"
    convert_adapter(lora(tmp_path / "lora", blocks=1), smollm2.path, adapter)
    book = Book(tmp_path / "models")
    settings = ModelSettings(context_tokens=256, book=tmp_path / "models")
    for _ in range(2):
        book.add("fixer", Made(adapter=adapter), Lineage(origin="gguf"), now=1.0)
    names = {"fixer": 2, "own:fixer": 2, "fixer@1": 1, "own:fixer@2": 2}
    for name, number in names.items():
        with open_model(name, settings) as model:
            assert isinstance(model, LocalModel)
            assert model.name == f"own:fixer@{number}"
            assert model.adapter is not None
            assert model.adapter.read_bytes() == adapter.read_bytes()
    with open_model("default", settings) as model:
        assert model.name == "local"
    book.use("fixer@1", now=1.0)
    with open_model("default", settings) as model:
        assert model.name == "own:fixer@1", "no restart is needed"
    with open_model("default", ModelSettings(context_tokens=256)) as model:
        assert model.name == "local", "without a book"
    with pytest.raises(InputError, match=r"no model is called 'mender' .*own:NAME"):
        open_model("mender", settings)
    for name in ("own:mender", "own:fixer@9", "fixer@9"):
        with pytest.raises(InputError, match=r"no model of yours is called .*there are: fixer@1, fixer@2"):
            open_model(name, settings)
    with pytest.raises(InputError, match="there is none here"):
        open_model("own:fixer")


@pytest.mark.parametrize("name", ["", "gpt", "locale", "local:", "openai:", "scripted:", "own:", ":x"])
def test_an_unknown_name_lists_what_there_is(name: str) -> None:
    with pytest.raises(InputError) as caught:
        open_model(name)
    assert "openai:MODEL@URL" in caught.value.way_out
    assert "local" in caught.value.way_out


@pytest.mark.parametrize("name", ["openai:tiny", "openai:tiny@localhost:8000", "openai"])
def test_a_server_without_an_address(name: str) -> None:
    with pytest.raises(InputError, match="http://HOST:PORT"):
        open_model(name)


def test_what_a_name_points_to_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such script"):
        open_model(f"scripted:{tmp_path / 'none'}")
    with pytest.raises(ModelError, match="no such model file"):
        open_model(f"local:{tmp_path / 'none.gguf'}")


def test_a_key_is_not_shown_with_the_settings() -> None:
    assert "sk-secret" not in repr(ModelSettings(api_key="sk-secret"))
