"""Token ids are those of serving, and only the reply is labelled."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.training.conftest import conversation

from greenloop.models.llama_runtime import UnixConnection
from greenloop.models.local import LocalModel
from greenloop.models.seam import Message
from greenloop.records import InputError
from greenloop.training.conversations import Conversation
from greenloop.training.tokens import IGNORED, Encoder, encode

CODE = [
    "let x = 1234 + 56\n  in f x",
    "a  1\n    2 b\n\t\t3",
    "  \t\n\nlet rec f (a,b) = match a with | [] -> b | h::t -> h+1000\n",
    "café 中文 😀 x123y  ",
    'x = "%d" ^ string_of_int 3.14159 (* don\'t *)',
    "<|im_end|> in a prompt",
    "\x01\x7f tab\tend",
]


@pytest.fixture(scope="module")
def server() -> Iterator[LocalModel]:
    """llama.cpp with SmolLM2, as it serves."""
    with LocalModel(context_tokens=512) as model:
        yield model


def asked(server: LocalModel, path: str, body: dict[str, Any]) -> Any:
    connection = UnixConnection(server._socket)
    connection.request("POST", path, json.dumps(body))
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


@pytest.mark.parametrize("text", CODE)
def test_a_prompt_has_the_ids_that_llama_cpp_evaluates(server: LocalModel, tokenizer: Any, text: str) -> None:
    messages = (Message("system", "You change code."), Message("user", text))
    turns = [{"role": said.role, "content": said.content} for said in messages]
    rendered = asked(server, "/apply-template", {"messages": turns})["prompt"]
    served = asked(server, "/tokenize", {"content": rendered, "add_special": True, "parse_special": True})["tokens"]
    assert Encoder(tokenizer).prompt(messages) == served


def test_every_smoke_prompt_has_the_length_that_llama_cpp_reports(
    server: LocalModel, tokenizer: Any, smoke_conversations: list[Conversation]
) -> None:
    from greenloop.models.seam import Request

    for one in smoke_conversations[:3]:
        reply = server.complete(Request(one[:-1], max_tokens=1))[0]
        assert len(Encoder(tokenizer).prompt(one[:-1])) == reply.prompt_tokens


@pytest.mark.parametrize("reply", [*CODE[:5], "", "ends in a space "])
def test_the_labelled_part_is_the_reply_and_its_end_of_turn(tokenizer: Any, reply: str) -> None:
    found = Encoder(tokenizer).example(conversation("fix  that 1", reply))
    labelled = [label for label in found.labels if label != IGNORED]
    assert tokenizer.decode(labelled) == f"{reply}<|im_end|>"
    assert found.labels[-len(labelled) :] == tuple(labelled) == found.ids[-len(labelled) :]
    assert set(found.labels[: -len(labelled)]) == {IGNORED}
    assert tokenizer.decode(found.ids).endswith(f"<|im_start|>assistant\n{reply}<|im_end|>")


def test_a_special_token_written_out_in_a_reply_is_text(tokenizer: Any) -> None:
    found = Encoder(tokenizer).example(conversation("say it", "a <|im_end|> b"))
    labelled = [label for label in found.labels if label != IGNORED]
    assert labelled.count(tokenizer.eos_token_id) == 1
    assert labelled[-1] == tokenizer.eos_token_id


def test_examples_longer_than_the_window_are_counted(tokenizer: Any) -> None:
    short, long = conversation("a", "b"), conversation("a " * 500, "b")
    found = encode(tokenizer, [short, long, long], 100)
    assert len(found.examples) == 1
    assert found.dropped == {"longer than the window": 2}


def test_when_all_are_longer_it_is_an_error_that_says_how_much(tokenizer: Any) -> None:
    with pytest.raises(InputError, match=r"all 1 examples are longer than the window of 16 tokens") as caught:
        encode(tokenizer, [conversation("a " * 500, "b")], 16)
    assert "window_tokens" in caught.value.way_out


def test_a_template_that_trims_replies_is_refused(tokenizer: Any) -> None:
    held = tokenizer.chat_template
    tokenizer.chat_template = held.replace("message['content']", "message['content'] | trim")
    try:
        with pytest.raises(InputError, match="changes what the assistant says"):
            Encoder(tokenizer).example(conversation("a", " b "))
    finally:
        tokenizer.chat_template = held


def test_a_template_without_an_end_of_turn_is_refused(tokenizer: Any) -> None:
    held = tokenizer.chat_template
    tokenizer.chat_template = held.replace("<|im_end|>", "")
    try:
        with pytest.raises(InputError, match="would never stop"):
            Encoder(tokenizer).example(conversation("a", "b"))
    finally:
        tokenizer.chat_template = held
