"""The fake behaves like a model, and its script files are checked."""

from pathlib import Path

import pytest

from greenloop.models.scripted import ScriptedModel, read_script
from greenloop.models.seam import Message, Request
from greenloop.records import EnvironmentFault, InputError, ModelError


def request(text: str = "hello", n: int = 1) -> Request:
    return Request((Message("user", text),), n=n)


def test_texts_are_used_up_in_order_and_requests_remembered() -> None:
    with ScriptedModel(["a", "b b", "c"]) as model:
        assert [reply.text for reply in model.complete(request(n=2))] == ["a", "b b"]
        assert model.complete(request("again"))[0].reply_tokens == 1
        assert [asked.messages[0].content for asked in model.requests] == ["hello", "again"]
        with pytest.raises(ModelError, match="no reply left"):
            model.complete(request())
        assert not model.closed
    assert model.closed


def test_a_callable_answers_by_the_request() -> None:
    model = ScriptedModel(lambda asked: [asked.messages[-1].content.upper(), "other"])
    assert [reply.text for reply in model.complete(request(n=3))] == ["HELLO", "other", "HELLO"]
    with pytest.raises(ModelError, match="no reply left"):
        ScriptedModel(lambda _: []).complete(request())


def test_a_script_file_answers_by_what_a_request_contains(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text('{"contains": "type int", "replies": ["one", "two"]}\n\n{"replies": ["other"]}\n')
    model = ScriptedModel(read_script(path))
    assert [reply.text for reply in model.complete(request("has type int but", n=3))] == ["one", "two", "one"]
    assert [reply.text for reply in model.complete(request())] == ["other"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b'{"replies": ["a"]}\nnonsense\n', ":2: not JSON"),
        (b'{"replies": ["\xff"]}\n', ":1: not JSON"),
        (b'["a"]', ":1: not a line of a script"),
        (b'{"replies": ["a"], "contain": "b"}', ":1: not a line of a script"),
        (b'{"replies": []}', ":1: replies must be"),
        (b'{"replies": [1]}', ":1: replies must be"),
        (b'{"replies": ["a"], "contains": 3}', ":1: replies must be"),
    ],
)
def test_a_script_file_that_is_none(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "script.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_script(path)
    assert says in caught.value.message
    assert str(path) in caught.value.message
    assert "replies" in caught.value.way_out


def test_a_script_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such script"):
        read_script(tmp_path / "none.jsonl")
    (tmp_path / "file").touch()
    with pytest.raises((InputError, EnvironmentFault)):
        read_script(tmp_path / "file" / "none.jsonl")


@pytest.mark.parametrize(("n", "max_tokens", "temperature"), [(0, 1, 0.0), (1, 0, 0.0), (1, 1, -0.1)])
def test_a_request_that_makes_no_sense(n: int, max_tokens: int, temperature: float) -> None:
    with pytest.raises(InputError, match="a request to a model"):
        Request((Message("user", "hi"),), n=n, max_tokens=max_tokens, temperature=temperature)


def test_a_request_without_messages() -> None:
    with pytest.raises(InputError, match="no message"):
        Request(())
