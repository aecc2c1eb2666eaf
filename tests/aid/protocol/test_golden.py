"""The golden messages, which each side's tests replay: held to the schema, the records and the door."""

import json
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.aid.wires import PATIENCE, Wire

from greenloop.aid.protocol import schema
from greenloop.aid.protocol.base import Message
from greenloop.aid.protocol.catalogue import FILE_SAVED, METHODS, NEWS, NOTES, QUESTIONS, TURN_START
from greenloop.aid.protocol.session import FileSaved
from greenloop.aid.protocol.tools import Approval, ApprovalRequest
from greenloop.aid.protocol.turns import TurnStart, TurnStarted
from greenloop.aid.scripted import Script, ScriptedService
from greenloop.aid.service import Call, Handlers
from greenloop.aid.wire import messages

ROOT = Path(__file__).parents[3]
GOLDEN = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "protocol" / "golden").glob("*.json"))}
ASKED = {one["request"]["method"]: one for one in GOLDEN.values() if "request" in one}
TOLD = {one["notification"]["method"]: one["notification"] for one in GOLDEN.values() if "notification" in one}
ALL = METHODS | QUESTIONS
OWN = {"initialize", "sidecar/status", "sidecar/stop"}


def _result(name: str) -> Message:
    found = messages.read(ALL[name].result, ASKED[name]["answer"]["result"], name)
    assert isinstance(found, Message)
    return found


def test_every_message_has_an_example() -> None:
    assert set(ASKED) == set(ALL)
    assert set(TOLD) == set(NOTES) | set(NEWS)


@pytest.mark.parametrize("name", ASKED)
def test_requests_and_answers_fit_the_schema_and_the_records(name: str) -> None:
    request, answer = ASKED[name]["request"], ASKED[name]["answer"]
    _fits(ALL[name].params, request["params"])
    _fits(ALL[name].result, answer["result"])
    assert request["jsonrpc"] == answer["jsonrpc"] == "2.0"
    assert request["id"] == answer["id"]


@pytest.mark.parametrize("name", TOLD)
def test_notifications_fit_the_schema_and_the_records(name: str) -> None:
    _fits((NOTES | NEWS)[name].params, TOLD[name]["params"])


@pytest.mark.parametrize("name", ASKED)
def test_what_does_not_fit_is_refused_by_the_schema(name: str) -> None:
    assert not _validator(ALL[name].params).is_valid({**ASKED[name]["request"]["params"], "colour": "red"})


def _validator(record: type[Message]) -> jsonschema_rs.Validator:
    whole = json.loads(schema.schema())
    return jsonschema_rs.validator_for({"$ref": f"#/$defs/{record.__name__}", "$defs": whole["$defs"]})


def _fits(record: type[Message], given: Any) -> None:
    _validator(record).validate(given)
    read = messages.read(record, given, record.__name__)
    # an example names every field, so that nothing of a record goes unseen
    assert json.loads(read.model_dump_json()) == given


class Golden(ScriptedService):
    """Answers with the golden answers, and says all golden news, and asks the golden question, in a turn."""

    def __init__(self) -> None:
        super().__init__(Script(answers={name: _result(name) for name in METHODS if name not in OWN | {"turn/start"}}))
        self.approvals: list[Approval] = []
        self.saved: queue.SimpleQueue[FileSaved] = queue.SimpleQueue()

    def handlers(self) -> Handlers:
        """Return the golden answers, and a turn of its own."""
        table = Handlers()
        for name, handle in super().handlers().methods.items():
            table.on(METHODS[name], self._turn if name == TURN_START.name else handle)
        table.hear(FILE_SAVED, lambda _call, params: self.saved.put(params))
        return table

    def _turn(self, call: Call, params: TurnStart) -> TurnStarted:
        assert json.loads(params.model_dump_json()) == ASKED["turn/start"]["request"]["params"]
        question = messages.read(ApprovalRequest, ASKED["approval/request"]["request"]["params"], "approval/request")
        self.approvals.append(call.peer.ask(QUESTIONS["approval/request"], question, call.stop))
        for name, note in NEWS.items():
            call.peer.notify(note, messages.read(note.params, TOLD[name]["params"], name))
        return messages.read(TurnStarted, ASKED["turn/start"]["answer"]["result"], "turn/start")


def test_a_door_replays_them(opened: Callable[..., Callable[[], Wire]]) -> None:
    service = Golden()
    wire = opened(service)()
    hello = wire.ask("initialize", ASKED["initialize"]["request"]["params"], 7)
    assert hello["result"].keys() == ASKED["initialize"]["answer"]["result"].keys()
    assert wire.ask("sidecar/status")["result"].keys() == ASKED["sidecar/status"]["answer"]["result"].keys()
    for name in METHODS.keys() - OWN - {"turn/start"}:
        wire.send({key: value for key, value in ASKED[name]["request"].items() if key != "jsonrpc"})
        assert wire.next() == ASKED[name]["answer"], name
    for note in TOLD.values():
        if note["method"] in NOTES:
            wire.send({key: value for key, value in note.items() if key != "jsonrpc"})
    wire.send({key: value for key, value in ASKED["turn/start"]["request"].items() if key != "jsonrpc"})
    question = wire.until("approval/request")[-1]
    assert question["params"] == ASKED["approval/request"]["request"]["params"]
    wire.send({"id": question["id"], "result": ASKED["approval/request"]["answer"]["result"]})
    # news of the turn wait for the answer that names it; the others do not
    said = [wire.next() for _ in range(len(NEWS) + 1)]
    assert ASKED["turn/start"]["answer"] in said
    for name in NEWS:
        assert TOLD[name] in said, name
    assert [approval.approved for approval in service.approvals] == [True]
    assert wire.ask("sidecar/stop", ASKED["sidecar/stop"]["request"]["params"]) == {
        **ASKED["sidecar/stop"]["answer"], "id": 1
    }  # fmt: skip
    assert json.loads(service.saved.get(timeout=PATIENCE).model_dump_json()) == TOLD["file/saved"]["params"]


def test_an_error_is_written_as_the_example_says() -> None:
    example = GOLDEN["error"]["answer"]
    read = messages.parse(json.dumps(example).encode())
    assert isinstance(read, messages.Answer)
    assert read.fault is not None
    assert json.loads(messages.refusal(read.id, read.fault)) == example
