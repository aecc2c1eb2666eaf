"""Bytes of every kind: each is a message or a named refusal, and nothing else."""

import json
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from greenloop.aid.protocol.catalogue import METHODS
from greenloop.aid.wire import messages
from greenloop.aid.wire.framing import Framer, frame
from greenloop.records import Refused

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


_PIECES = st.binary(max_size=80) | st.sampled_from([b"\r\n\r\n", b"Content-Length: ", b"5", b"\r\n"])


def _refusal(work: Callable[[], object]) -> str:
    """Return by which name something is refused; empty when it is not."""
    try:
        work()
    except Refused as error:
        return error.code
    return ""


@given(st.lists(_PIECES, max_size=12))
def test_streams(pieces: list[bytes]) -> None:
    def read() -> None:
        framer = Framer(limit=100)
        for piece in pieces:
            for body in framer.feed(piece):
                assert len(body) <= 100
        framer.finish()

    assert _refusal(read) in {"", "parse-error", "message-too-large", "half-message"}


@given(st.binary(max_size=200) | _JSON.map(lambda one: json.dumps(one).encode()))
def test_bodies(body: bytes) -> None:
    # what hypothesis makes up is no message of JSON-RPC
    assert _refusal(lambda: messages.parse(body)) in {"parse-error", "invalid-message"}


@given(
    st.dictionaries(
        st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error"]),
        _JSON | st.sampled_from(["2.0", "turn/start", 1]),
    )
)
def test_envelopes(fields: dict[str, object]) -> None:
    body = json.dumps({"jsonrpc": "2.0", **fields}).encode()
    assert _refusal(lambda: messages.parse(body)) in {"", "parse-error", "invalid-message"}


@given(st.sampled_from(sorted(METHODS)), _JSON)
def test_params(name: str, params: object) -> None:
    def read() -> None:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": name, "params": params}).encode()
        (inside,) = Framer().feed(frame(body))
        found = messages.parse(inside)
        assert isinstance(found, messages.Request)
        messages.read(METHODS[name].params, found.params, name)

    assert _refusal(read) in {"", "parse-error", "invalid-params"}
