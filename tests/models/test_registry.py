"""Models by name."""

from pathlib import Path

import pytest

from greenloop.models.local import LocalModel
from greenloop.models.openai_server import OpenAIModel
from greenloop.models.registry import ModelSettings, open_model
from greenloop.models.scripted import ScriptedModel
from greenloop.models.seam import Message, Request
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


@pytest.mark.parametrize("name", ["", "gpt", "locale", "local:", "openai:", "scripted:", ":x"])
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
