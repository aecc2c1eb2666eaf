"""The service before scripted parts, really serving, and real clients of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from greenloop.ces.backend import Backend, Load
from greenloop.ces.scripted import ScriptedBackend, ScriptedBooks
from greenloop.ces.server import Address, Bounds, Door, TcpAddress, UnixAddress, in_background
from greenloop.ces.tokens import Tokens
from greenloop.records import TreeId

TOKEN = "a-token-for-the-tests-0123456789"
Serve = Callable[..., Address]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return a function that serves a backend until the test ends, on a Unix socket or, with tokens, on loopback."""
    with ExitStack() as stack:

        def start(
            backend: Backend | None = None,
            *,
            books: ScriptedBooks | None = None,
            tokens: Tokens | None = None,
            bounds: Bounds | None = None,
            load: Callable[[], Load] = Load,
            import_pack: Callable[[Path], tuple[TreeId, ...]] = lambda _path: (),
        ) -> Address:
            door = Door(
                backend=backend if backend is not None else ScriptedBackend(revisions={"main": "a" * 40}),
                shelf=books if books is not None else ScriptedBooks(),
                import_pack=import_pack,
                scratch=tmp_path / "scratch",
                load=load,
                tokens=tokens,
                bounds=bounds or Bounds(),
            )
            address: Address = UnixAddress(tmp_path / "s" / "ces.sock")
            if tokens is not None:
                address = TcpAddress("127.0.0.1", 0)
            return stack.enter_context(in_background(door, address))

        yield start


@pytest.fixture
def http() -> Iterator[Callable[[Address], httpx.Client]]:
    """Return a function that opens a plain HTTP client at an address."""
    with ExitStack() as stack:

        def connect(address: Address) -> httpx.Client:
            if isinstance(address, UnixAddress):
                transport = httpx.HTTPTransport(uds=str(address.path))
                client = httpx.Client(transport=transport, base_url="http://ces", timeout=30)
            else:
                client = httpx.Client(base_url=str(address), timeout=30)
            return stack.enter_context(client)

        yield connect


@pytest.fixture
def token() -> str:
    return TOKEN
