"""JSON-RPC messages, read and written."""

import json

import pytest

from greenloop.aid.protocol.base import Empty
from greenloop.aid.protocol.session import WorkspaceOpen
from greenloop.aid.protocol.turns import Fault, TurnStart
from greenloop.aid.wire import messages
from greenloop.aid.wire.messages import Answer, Notice, Request
from greenloop.records import Refused


def test_what_is_written_is_read_again() -> None:
    params = WorkspaceOpen(path="/é/😀")
    assert messages.parse(messages.request("a", "workspace/open", params)) == Request(
        "a", "workspace/open", {"path": "/é/😀"}
    )
    assert messages.parse(messages.notice("x", Empty())) == Notice("x", {})
    assert messages.parse(messages.answer(3, params)) == Answer(3, {"path": "/é/😀"})
    fault = Fault(code="stale", message="the buffer changed", way_out="ask again")
    assert messages.parse(messages.refusal(4, fault)) == Answer(4, None, fault)


def test_an_error_reads_well_for_clients_that_know_json_rpc_only() -> None:
    told = json.loads(messages.refusal(4, Fault(code="stale", message="the buffer changed", way_out="ask again")))
    assert told["error"]["code"] == -32000
    assert told["error"]["message"] == "the buffer changed (ask again)"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[" * 100_000, "parse-error"),
        (b"\xff\xfe", "parse-error"),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":NaN}}', "parse-error"),
        (b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', "parse-error"),
        (b'{"jsonrpc":"2.0","id":%b,"method":"x"}' % (b"9" * 5000), "parse-error"),
        (b'[{"jsonrpc":"2.0","id":1,"method":"x"}]', "invalid-message"),
        (b'{"id":1,"method":"x"}', "invalid-message"),
        (b'{"jsonrpc":"2.0","id":true,"method":"x"}', "invalid-message"),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"x"}', "invalid-message"),
        (b'{"jsonrpc":"2.0","id":null,"method":"x"}', "invalid-message"),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', "invalid-message"),
        (b'{"jsonrpc":"2.0","id":1}', "invalid-message"),
        (b'{"jsonrpc":"2.0","id":1,"error":"no"}', "invalid-message"),
        (b"null", "invalid-message"),
    ],
)
def test_what_is_no_message_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(Refused) as caught:
        messages.parse(body)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"kind": "fix"}, "workspace"),
        ({"workspace": "w", "kind": "sing"}, "kind"),
        ({"workspace": "w", "kind": "fix", "colour": "red"}, "colour"),
        (
            {"workspace": "w", "kind": "fix", "place": {"path": "a", "cursor": {"line": -1, "column": 0}}},
            "place.cursor.line",
        ),
        ({"workspace": "w", "kind": "fix", "whole_project": "yes"}, "whole_project"),
        ([1, 2], "turn/start"),
    ],
)
def test_params_that_are_wrong_are_named(given: object, named: str) -> None:
    with pytest.raises(Refused, match=named) as caught:
        messages.read(TurnStart, given, "turn/start")
    assert caught.value.code == "invalid-params"
