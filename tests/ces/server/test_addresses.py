"""Where the service listens, and what it does to clients that are too slow."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greenloop.ces.server import Bounds, TcpAddress, UnixAddress
from greenloop.ces.server.addresses import listen
from greenloop.records import EnvironmentFault, InputError

Serve = Callable[..., Any]


def test_the_socket_is_its_owners_alone(serve: Serve, tmp_path: Path) -> None:
    address = serve()
    assert stat.S_IMODE(address.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(address.path.parent.stat().st_mode) == 0o700
    with pytest.raises(InputError, match="another server answers"):
        listen(address)
    assert address.path.exists()


def test_a_folder_that_others_reach_into_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    with pytest.raises(EnvironmentFault, match="others may reach"):
        listen(UnixAddress(folder / "ces.sock"))


def test_the_socket_of_a_killed_server_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "s" / "ces.sock"
    path.parent.mkdir(mode=0o700)
    # a process that ends without a word leaves its socket, as after SIGKILL
    code = "import socket,os,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); os._exit(0)"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert path.exists()
    listen(UnixAddress(path)).close()


def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s" / "notes.txt"
    path.parent.mkdir(mode=0o700)
    path.write_text("mine")
    with pytest.raises(InputError, match="is no socket"):
        listen(UnixAddress(path))
    assert path.read_text() == "mine"
    with pytest.raises(InputError, match="longer than"):
        listen(UnixAddress(tmp_path / ("x" * 120)))


def test_tcp_addresses() -> None:
    assert TcpAddress.parse("8023") == TcpAddress("127.0.0.1", 8023)
    assert TcpAddress.parse(":8023") == TcpAddress("127.0.0.1", 8023)
    assert TcpAddress.parse("0.0.0.0:1") == TcpAddress("0.0.0.0", 1)
    assert TcpAddress.parse("[::1]:80") == TcpAddress("::1", 80)
    assert str(TcpAddress("::1", 80)) == "http://[::1]:80"
    for text in ("", "host", "host:port", "host:70000", "-1"):
        with pytest.raises(InputError):
            TcpAddress.parse(text)
    with listen(TcpAddress("127.0.0.1", 0)) as taken, pytest.raises(EnvironmentFault, match="in use"):
        listen(TcpAddress("127.0.0.1", taken.getsockname()[1]))


def _raw(address: UnixAddress) -> socket.socket:
    raw = socket.socket(socket.AF_UNIX)
    raw.settimeout(10)
    raw.connect(str(address.path))
    return raw


def _until_closed(raw: socket.socket) -> bytes:
    """Return what comes until the server hangs up; where it does not, the time-out of the socket fails the test."""
    told = b""
    while chunk := raw.recv(65536):
        told += chunk
    return told


REQUEST = b"POST /v1/evaluations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n"


def test_a_client_that_does_not_finish_its_headers_is_hung_up_on(serve: Serve) -> None:
    address = serve(bounds=Bounds(silence_seconds=0.5))
    for first in (b"", b"GET /heal", REQUEST):
        with _raw(address) as raw:
            raw.sendall(first)
            assert _until_closed(raw) == b""
    # nor after a request that was complete
    with _raw(address) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        told = b""
        while not told.endswith(b'{"status":"ok"}'):
            told += raw.recv(65536)
        raw.sendall(b"GET /heal")
        assert _until_closed(raw) == b""


def test_a_client_that_falls_silent_in_its_body_is_told_so(serve: Serve) -> None:
    with _raw(serve(bounds=Bounds(silence_seconds=0.3))) as raw:
        raw.sendall(REQUEST + b"\r\n{")
        told = _until_closed(raw)
    assert told.startswith(b"HTTP/1.1 408")
    assert b'"reason":"slow"' in told


def test_headers_have_a_largest_size(serve: Serve) -> None:
    with _raw(serve()) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 100_000)
        assert _until_closed(raw).startswith(b"HTTP/1.1 400")


def test_what_is_no_http_is_refused(serve: Serve) -> None:
    address = serve(bounds=Bounds(silence_seconds=0.5))
    for junk in (b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.0\r\n\r\n", b"hello\r\n\r\n", os.urandom(100) + b"\r\n\r\n"):
        with _raw(address) as raw:
            raw.sendall(junk)
            assert raw.recv(65536)[:10] in {b"", b"HTTP/1.1 4"}
