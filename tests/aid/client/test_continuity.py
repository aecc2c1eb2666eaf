"""What a client is told, and what a new sidecar is told, after the old one has gone."""

import json
from typing import Any

import pytest

from greenloop.aid.client.continuity import Continuity
from greenloop.aid.protocol.turns import Fault
from greenloop.aid.wire import messages
from greenloop.records import Refused


def _body(**message: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode()


class Talk:
    """A continuity with what a client and a sidecar would do to it."""

    def __init__(self) -> None:
        self.state = Continuity()

    def client(self, **message: Any) -> None:
        """Take a message that is sent at once."""
        self.waiting(**message)
        if "method" in message and "id" in message:
            self.state.written(message["id"])

    def waiting(self, **message: Any) -> None:
        """Take a message that is not sent yet."""
        body = _body(**message)
        self.state.take(messages.parse(body), body)

    def sidecar(self, **message: Any) -> bool:
        return self.state.received(messages.parse(_body(**message)))

    def lost(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.state.lost()]

    def renew(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.state.renew()]

    def unanswered(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.state.unanswered()]


def _over(talk: Talk) -> bool:
    return not talk.state.renewing


@pytest.fixture
def talk() -> Talk:
    talk = Talk()
    talk.client(id=1, method="initialize", params={"client": "e"})
    assert talk.sidecar(id=1, result={"session": "one"})
    talk.client(id=2, method="workspace/open", params={"path": "/w"})
    assert talk.sidecar(id=2, result={"workspace": "w"})
    return talk


def test_a_new_sidecar_learns_who_calls_and_what_is_open(talk: Talk) -> None:
    talk.client(id=3, method="workspace/open", params={"path": "/v"})
    talk.sidecar(id=3, result={"workspace": "v"})
    talk.client(id=4, method="workspace/close", params={"workspace": "v"})
    talk.sidecar(id=4, result={})
    assert talk.lost() == []
    told = talk.renew()
    assert [(one["method"], one["params"]) for one in told] == [
        ("initialize", {"client": "e"}), ("workspace/open", {"path": "/w"})
    ]  # fmt: skip
    assert not _over(talk)
    # the answers are ours, not the client's
    assert not talk.sidecar(id=told[0]["id"], result={})
    assert not talk.sidecar(id=told[1]["id"], result={"workspace": "w"})
    assert _over(talk)
    # and it is remembered for the sidecar after that
    talk.lost()
    assert len(talk.renew()) == 2


def test_turns_end_once_and_by_name(talk: Talk) -> None:
    for number, turn in ((5, "a"), (6, "b")):
        talk.client(id=number, method="turn/start", params={"workspace": "w", "kind": "ask"})
        talk.sidecar(id=number, result={"turn": turn, "conversation": "c"})
    talk.sidecar(method="turn/ended", params={"turn": "a", "outcome": "done"})
    (ended,) = talk.lost()
    assert (ended["method"], ended["params"]["turn"]) == ("turn/ended", "b")
    assert ended["params"]["fault"]["code"] == "sidecar-restarted"
    assert talk.lost() == []


def test_only_what_is_safe_is_sent_again(talk: Talk) -> None:
    talk.client(id=5, method="status/get", params={"workspace": "w"})
    talk.client(id=6, method="suggestion/accept", params={"turn": "t", "suggestion": "s"})
    talk.client(id=7, method="some/thing-new", params={})
    talk.waiting(id=8, method="turn/start", params={"workspace": "w", "kind": "ask"})
    told = talk.lost()
    assert [(one["id"], one["error"]["data"]["code"]) for one in told] == [
        (6, "sidecar-restarted"), (7, "sidecar-restarted")
    ]  # fmt: skip
    # what had not been sent yet is sent now, for the first time
    assert [one["id"] for one in talk.unanswered()] == [5, 8]
    # an answer of the old sidecar that comes late has no reader
    assert not talk.sidecar(id=6, result={})


def test_questions_of_the_old_sidecar_are_taken_back(talk: Talk) -> None:
    for identity in ("s:1:1", "s:1:2", "s:1:3"):
        assert talk.sidecar(id=identity, method="approval/request", params={})
    talk.client(id="s:1:1", result={"approved": True})
    assert talk.sidecar(method="$/cancelRequest", params={"id": "s:1:2"})
    (taken_back,) = talk.lost()
    assert taken_back == {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": "s:1:3"}}


def test_a_workspace_that_has_gone_is_not_opened_for_ever(talk: Talk) -> None:
    talk.lost()
    told = talk.renew()
    talk.sidecar(id=told[0]["id"], result={})
    talk.sidecar(id=told[1]["id"], error={"code": -32000, "message": "no such folder"})
    talk.lost()
    assert [one["method"] for one in talk.renew()] == ["initialize"]


def test_a_sidecar_that_does_not_take_the_client_is_noticed(talk: Talk) -> None:
    talk.lost()
    told = talk.renew()
    fault = {"code": "protocol-mismatch", "message": "it speaks 2"}
    talk.sidecar(id=told[0]["id"], error={"code": -32000, "message": "no", "data": fault})
    assert talk.state.unwelcome == Fault(code="protocol-mismatch", message="it speaks 2")


def test_ids_are_used_once_at_a_time(talk: Talk) -> None:
    talk.client(id=5, method="status/get", params={"workspace": "w"})
    for identity in (5, "greenloop/renew/1"):
        with pytest.raises(Refused, match="is taken"):
            talk.waiting(id=identity, method="status/get", params={"workspace": "w"})
    talk.sidecar(id=5, result={})
    talk.waiting(id=5, method="status/get", params={"workspace": "w"})
