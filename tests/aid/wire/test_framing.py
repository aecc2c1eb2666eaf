"""Frames, whole and in pieces, and what is no frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenloop.aid.wire.framing import Framer, frame
from greenloop.records import Refused


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 50))
def test_bodies_come_whole_however_they_are_cut(bodies: list[bytes], size: int) -> None:
    stream = b"".join(frame(body) for body in bodies)
    framer = Framer()
    found = [body for at in range(0, len(stream), size) for body in framer.feed(stream[at : at + size])]
    assert found == bodies
    framer.finish()


def test_headers_as_other_clients_write_them() -> None:
    head = b"content-length:2\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n{}"
    assert list(Framer().feed(head)) == [b"{}"]


@pytest.mark.parametrize(
    "stream",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 1e3\r\n\r\n",
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n",
        b"Content-Length: 99999999999999999999\r\n\r\n",
        b"Content-Type: text/plain; charset=latin-1\r\nContent-Length: 2\r\n\r\n{}",
        b"Content-Type: x\r\n\r\n",
        b" Content-Length: 2\r\n\r\n{}",
        b"\r\n\r\n",
        b"{" * 5000,
        b"\x00" * 5000,
    ],
)
def test_what_is_no_frame_is_refused(stream: bytes) -> None:
    with pytest.raises(Refused) as caught:
        list(Framer().feed(stream))
    assert caught.value.code == "parse-error"


def test_a_message_that_is_too_large_is_refused_before_it_comes() -> None:
    framer = Framer(limit=1000)
    assert list(framer.feed(frame(b"x" * 1000))) == [b"x" * 1000]
    with pytest.raises(Refused) as caught:
        list(framer.feed(b"Content-Length: 1001\r\n\r\n"))
    assert caught.value.code == "message-too-large"


def test_an_end_within_a_message_is_told() -> None:
    framer = Framer()
    assert not framer.inside
    assert list(framer.feed(frame(b"whole") + b"Content-Length: 9\r\n\r\nhal")) == [b"whole"]
    with pytest.raises(Refused) as caught:
        framer.finish()
    assert caught.value.code == "half-message"
