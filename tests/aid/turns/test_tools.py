"""A turn whose model calls the workspace's tools: a real server on loopback that speaks OpenAI's protocol."""

import select
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.aid.turns.conftest import World, fixing, wait_for

from greenloop.aid.metrics.spans import Spans
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Message
from greenloop.aid.protocol.tools import Approval, ApprovalRequest
from greenloop.aid.protocol.turns import Explanation, Outcome, TurnExplain, TurnProgress, TurnRef
from greenloop.aid.scripted import ScriptedPeer
from greenloop.aid.tools.described import Described
from greenloop.aid.tools.pins import Pins
from greenloop.aid.tools.scripted import ScriptedServer, ScriptedServers
from greenloop.aid.tools.seam import Result, Surroundings
from greenloop.aid.tools.settings import ToolServerSettings
from greenloop.aid.tools.toolbox import Toolbox
from greenloop.builds.stop import Stop
from greenloop.models.openai_server import OpenAIModel
from greenloop.models.scripted_server import Body, Served, calling, streamed
from greenloop.models.scripted_server import ScriptedServer as ModelServer
from greenloop.models.seam import ToolUse
from greenloop.records import Badge

WHO = {"type": "object", "properties": {"who": {"type": "string"}}, "required": ["who"]}
GOOD = fixing("let x = 1 + 2")


@pytest.fixture
def hall() -> ScriptedServer:
    described = (Described(name="greet", help="Greets.", arguments=WHO), Described(name="look", help="Looks."))
    return ScriptedServer(described, lambda name, arguments: Result(f"{name} {arguments.get('who', '')}: two is int"))


@pytest.fixture
def tools(hall: ScriptedServer, tmp_path: Path) -> Iterator[Callable[[str], Toolbox]]:
    settings = ToolServerSettings(command=("hall",), read_only=("look",))
    where = Surroundings(tmp_path, tmp_path / "logs", trusted=True)
    with Toolbox({"hall": settings}, Pins(tmp_path / "pins.json"), where, ScriptedServers({"hall": hall})) as box:
        box.pin("hall", box.look("hall"))
        yield lambda _workspace: box


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exported: InMemorySpanExporter) -> Spans:
    return Spans(exported, at_once=True)


@pytest.fixture
def serve(world: World) -> Iterator[Callable[[Callable[[Body], Served]], ModelServer]]:
    """Have the world's model be one behind a server, by a script."""
    held: list[Any] = []

    def make(script: Callable[[Body], Served]) -> ModelServer:
        server = ModelServer(script)
        model = OpenAIModel(server.url, "qwen", retries=0)
        held.extend((model, server))
        world.use(model)
        return server

    yield make
    for one in held:
        one.close()


Serve = Callable[[Callable[[Body], Served]], ModelServer]


def calls_first(*uses: ToolUse) -> Callable[[Body], Served]:
    """A model that asks for these calls, and then answers well."""

    def answer(body: Body) -> Served:
        asked = any(message["role"] == "tool" for message in body["messages"])
        return streamed(GOOD) if asked or "tools" not in body else calling(*uses)

    return answer


def peer(world: World, answer: Message | None, *, can_approve: bool = True) -> ScriptedPeer:
    answers = {catalogue.APPROVAL_REQUEST.name: answer} if answer is not None else {}
    world.peers.insert(0, ScriptedPeer(answers=answers, can_approve=can_approve))
    return world.peers[0]


def progress(world: World, turn: str) -> list[str]:
    return [one.text for one in world.news(turn) if isinstance(one, TurnProgress)]


GREET = ToolUse("c1", "hall__greet", '{"who": "Ann"}')


def test_a_call_is_approved_made_and_explained(world: World, hall: ScriptedServer, serve: Serve) -> None:
    server = serve(calls_first(GREET))
    editor = peer(world, Approval(approved=True))
    world.open()
    ended, turn = world.turn()
    assert world.suggestions(turn)[ended.order[0]].badge is Badge.TYPE_CHECKS
    assert hall.calls == [("greet", {"who": "Ann"})]
    ((_, question),) = editor.asked
    assert isinstance(question, ApprovalRequest)
    assert (question.turn, question.tool, question.arguments) == (turn, "hall.greet", {"who": "Ann"})
    assert "the model called hall.greet" in progress(world, turn)
    # what is explained is what was sent, word by word
    told: Explanation = world.ask(catalogue.TURN_EXPLAIN, TurnExplain(turn=turn))
    shown = [(part.role, part.text) for part in told.parts if part.plugin == "tools"]
    sent = server.requests[-1]["messages"]
    assert sent[0]["content"].endswith(shown[0][1])
    assert {text.partition(":")[0] for role, text in shown if role == "tools"} == {"hall__greet", "hall__look"}
    assert shown[-2] == ("assistant", 'hall__greet {"who": "Ann"}')
    assert shown[-1] == ("tool", next(one["content"] for one in sent if one["role"] == "tool"))
    assert "greet Ann: two is int" in shown[-1][1]


def test_a_turn_its_requests_and_its_calls_are_spans(
    world: World, serve: Serve, exported: InMemorySpanExporter
) -> None:
    serve(calls_first(GREET))
    peer(world, Approval(approved=True))
    world.open()
    world.turn()
    wait_for(lambda: any(one.parent is None for one in exported.get_finished_spans()), "the span of the turn")
    spans = exported.get_finished_spans()
    assert sorted(one.name for one in spans) == [
        "chat qwen", "chat qwen", "execute_tool hall.greet", "invoke_agent greenloop-fix"
    ]  # fmt: skip
    (root,) = (one for one in spans if one.parent is None)
    assert {one.parent.span_id for one in spans if one.parent is not None} == {root.context.span_id}
    assert "Ann" not in "".join(one.to_json() for one in spans)


def test_what_is_refused_is_not_called_and_the_turn_goes_on(world: World, hall: ScriptedServer, serve: Serve) -> None:
    serve(calls_first(GREET))
    peer(world, Approval(approved=False))
    world.open()
    ended, turn = world.turn()
    assert (ended.outcome, len(ended.order)) == (Outcome.DONE, 1)
    assert hall.calls == []
    assert any("hall.greet was not called: " in text and "nobody approved" in text for text in progress(world, turn))


def test_a_client_that_cannot_ask_is_refused_by_name(world: World, hall: ScriptedServer, serve: Serve) -> None:
    server = serve(calls_first(ToolUse("c1", "hall__look", "{}"), GREET))
    peer(world, None, can_approve=False)
    world.open()
    _, turn = world.turn()
    # the one that the team calls read-only is offered and called; the other one is neither
    assert [tool["function"]["name"] for tool in server.requests[0]["tools"]] == ["hall__look"]
    assert hall.calls == [("look", {})]
    assert any("hall.greet was not called: " in text and "does not answer" in text for text in progress(world, turn))


def test_no_rounds_no_tools(world: World, hall: ScriptedServer, serve: Serve) -> None:
    server = serve(calls_first(GREET))
    world.equipment.made = replace(world.equipment.made, tool_rounds=0)
    peer(world, Approval(approved=True))
    world.open()
    world.turn()
    assert all("tools" not in body for body in server.requests)
    assert hall.calls == []


class _Waiting(ScriptedPeer):
    """Somebody who does not answer."""

    def ask(self, method: Any, params: Any, stop: Stop) -> Any:
        self.asked.append((method.name, params))
        select.select([stop], [], [])
        stop.check()


def test_a_turn_that_waits_for_the_person_can_be_cancelled(world: World, hall: ScriptedServer, serve: Serve) -> None:
    serve(calls_first(GREET))
    world.peers.insert(0, _Waiting())
    world.open()
    started = world.start()
    wait_for(lambda: world.peers[0].asked, "the question")
    world.ask(catalogue.TURN_CANCEL, TurnRef(turn=started.turn))
    assert world.ended(started.turn).outcome is Outcome.CANCELLED
    assert hall.calls == []
