"""What an editor sends and nobody can read: it is answered all the same, so that the editor does not wait for ever."""

import json

import pytest

from greenloop.aid.client.link import Link
from greenloop.aid.client.reach import Reached


def nobody() -> Reached:
    raise AssertionError("nothing of this is sent")


@pytest.mark.parametrize(
    ("body", "number"),
    [
        (b'{"jsonrpc":"2.0","id":7,"method":"turn/start","params":{"prompt":"\xff"}}', 7),
        (b'{"jsonrpc":"2.0","id":"a","method":"turn/start","params":{"prompt":"\\ud800"}}', "a"),
        (b'{"jsonrpc":"2.0","method":"file/saved","params":{"path":"\xff"}}', None),
        (b'{"jsonrpc":"2.0","id":"\\ud800","method":"x","params":{"path":"\xff"}}', None),
        (b'{"jsonrpc":"2.0","id":true,"method":"x","params":"\xff"}', None),
        (b"no JSON", None),
        (b"[" * 100_000, None),
    ],
)
def test_what_cannot_be_read_is_answered(body: bytes, number: int | str | None) -> None:
    heard: list[bytes] = []
    Link(nobody, heard.append, limit=1 << 20).send(body)
    (answer,) = map(json.loads, heard)
    assert answer["id"] == number
    assert answer["error"]["data"]["message"]
