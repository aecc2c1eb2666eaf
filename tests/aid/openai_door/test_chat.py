"""What a program sees that speaks to the endpoint through OpenAI's own client."""

import subprocess
from collections.abc import Callable

import httpx
import openai
import pytest
from tests.aid.turns.conftest import fixing, wait_for

from greenloop.aid.openai_door.turns import Limits
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.session import WorkspaceRef
from greenloop.aid.protocol.turns import ConversationRef
from greenloop.models.scripted import Pace
from greenloop.records import ModelError
from greenloop.records.funnel import Step

from .conftest import Served

Serve = Callable[..., Served]
PROMPT = "make x a number"


def ask(served: Served, *said: str, **more: object) -> str:
    """Ask; ``said`` are the words of the person and of the assistant in turns. Return the answer."""
    messages = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(said or (PROMPT,))]
    wanted = {"model": served.model, "messages": messages} | more
    answer = served.client().chat.completions.create(**wanted)  # type: ignore[call-overload]
    return str(answer.choices[0].message.content)


def said(served: Served) -> int:
    """How much was said in the newest conversation."""
    world = served.world
    listed = world.ask(catalogue.CONVERSATION_LIST, WorkspaceRef(workspace=world.name)).conversations
    if not listed:
        return 0
    newest = ConversationRef(conversation=listed[0].conversation)
    return len(world.ask(catalogue.CONVERSATION_READ, newest).said)


def test_the_answer_is_a_patch_with_its_badge_that_lies_on_the_workspace(served: Served) -> None:
    served.world.script([fixing("let x = 1 + 2")])
    text = ask(served)
    assert "Badge: **type-checks**" in text
    diff = text.partition("```diff\n")[2].partition("\n```")[0] + "\n"
    root = served.world.root
    assert '"2"' in (root / "a.ml").read_text()
    subprocess.run(["patch", "-p1"], cwd=root, input=diff, text=True, check=True, capture_output=True)
    assert "let x = 1 + 2\n" in (root / "a.ml").read_text()


def test_the_workspace_may_be_named_in_a_header(served: Served) -> None:
    served.world.script([fixing("let x = 1 + 2")])
    header = {"X-Greenloop-Workspace": str(served.world.root)}
    assert "type-checks" in ask(served, model="greenloop", extra_headers=header)


def test_a_stream_tells_what_is_done_and_then_the_answer(served: Served) -> None:
    served.world.script([fixing("let x = 1 + 2")])
    stream = served.client().chat.completions.create(
        model=served.model, messages=[{"role": "user", "content": PROMPT}], stream=True
    )
    choices = [chunk.choices[0] for chunk in stream]
    thoughts = "".join(getattr(one.delta, "reasoning_content", None) or "" for one in choices)
    assert "asking the model" in thoughts
    assert "Badge: **type-checks**" in "".join(one.delta.content or "" for one in choices)
    assert [one.finish_reason for one in choices if one.finish_reason] == ["stop"]
    # who has the answer before the eyes was shown the suggestion, and the funnel knows it
    wait_for(lambda: [one for one in served.world.funnel.events() if one.step is Step.SHOWN], "shown")


def test_a_suggestion_that_deserves_mistrust_says_why(served: Served) -> None:
    served.world.script([fixing('let x = failwith "TODO"')])
    text = ask(served)
    assert "Reasons for mistrust:" in text
    assert "- it " in text


def test_an_untrusted_workspace_is_not_built_and_the_answer_says_so(serve: Serve) -> None:
    served = serve(trusted=False)
    served.world.script([fixing("let x = 1 + 2")])
    text = ask(served)
    assert "Badge: **unverified: the workspace is not trusted" in text
    assert served.world.equipment.built == []


def test_a_list_of_messages_goes_on_with_its_conversation(served: Served) -> None:
    model = served.world.script([fixing("let x = 1 + 2"), fixing("let x = 1 + 3"), fixing("let x = 1 + 4")])
    first = ask(served)
    wait_for(lambda: said(served) == 2, "what was said to be kept")
    # clients trim what they show, and put prompts of their own before it
    ask(served, PROMPT, first.strip() + "\n", "no, three")
    assert any(PROMPT in one.content for one in model.requests[1].messages)
    # the same words to begin with are another chat
    ask(served, "something else")
    assert not any(PROMPT in one.content for one in model.requests[2].messages)


def test_what_may_be_named_is_listed(served: Served) -> None:
    assert [one.id for one in served.client().models.list()] == ["greenloop", served.model]


def test_a_model_that_does_not_answer_is_an_error_by_name(served: Served) -> None:
    def silent(_request: object) -> list[str]:
        raise ModelError("the model is away", "start it")

    served.world.script(silent)
    with pytest.raises(openai.APIStatusError, match="the model is away") as raised:
        ask(served)
    assert (raised.value.status_code, raised.value.code) == (502, "model")
    with pytest.raises(openai.APIError, match="the model is away") as raised_late:
        list(
            served.client().chat.completions.create(
                model=served.model, messages=[{"role": "user", "content": PROMPT}], stream=True
            )
        )
    assert raised_late.value.code == "model"


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_cancels_its_turn(served: Served, stream: bool) -> None:
    model = served.world.script(["x" * 1000], pace=Pace(first_seconds=0.0, delta_seconds=600.0))
    body = {"model": served.model, "messages": [{"role": "user", "content": PROMPT}], "stream": stream}
    headers = {"Authorization": f"Bearer {served.token}"}
    with httpx.Client(trust_env=False) as client:
        if stream:
            with client.stream("POST", f"{served.base_url}/chat/completions", json=body, headers=headers) as answer:
                next(answer.iter_bytes())
                wait_for(lambda: model.requests, "the model")
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.post(f"{served.base_url}/chat/completions", json=body, headers=headers, timeout=2.0)
    wait_for(lambda: model.requests and model.cancelled == 1, "the cancelled stream")
    wait_for(lambda: not served.world.service.busy() and not served.endpoint.busy(), "the end of the turn")


def test_a_turn_that_takes_too_long_is_cancelled_by_name(serve: Serve) -> None:
    served = serve(limits=Limits(seconds=0.2))
    served.world.script(["x" * 1000], pace=Pace(first_seconds=600.0))
    with pytest.raises(openai.APIStatusError) as raised:
        ask(served)
    assert (raised.value.status_code, raised.value.code) == (504, "timed-out")
    wait_for(lambda: not served.world.service.busy(), "the end of the turn")


def test_more_requests_than_the_limit_are_told_to_come_again(serve: Serve) -> None:
    served = serve(limits=Limits(turns=1))
    served.world.script(["x" * 1000], pace=Pace(first_seconds=0.0, delta_seconds=600.0))
    stream = served.client().chat.completions.create(
        model=served.model, messages=[{"role": "user", "content": PROMPT}], stream=True
    )
    next(iter(stream))
    with pytest.raises(openai.RateLimitError) as raised:
        ask(served)
    assert raised.value.code == "overloaded"
    stream.close()


def test_the_end_of_the_sidecar_ends_an_answer_by_name(served: Served) -> None:
    served.world.script(["x" * 1000], pace=Pace(first_seconds=0.0, delta_seconds=600.0))
    stream = served.client().chat.completions.create(
        model=served.model, messages=[{"role": "user", "content": PROMPT}], stream=True
    )
    chunks = iter(stream)
    next(chunks)
    served.stop()
    with pytest.raises(openai.APIError) as raised:
        list(chunks)
    assert raised.value.code == "sidecar-restarted"
    assert served.place.card() is None
    assert not served.place.token.exists()
