"""The real local model, and damaged copies of its file."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from greenloop.models.local import LocalModel


@pytest.fixture(scope="session")
def smollm2() -> Iterator[LocalModel]:
    """The real local model, loaded once."""
    with LocalModel(context_tokens=1024) as model:
        yield model


@pytest.fixture
def short_gguf(smollm2: LocalModel, tmp_path: Path) -> Callable[[int], Path]:
    """Copies of the real model's file, cut after so many bytes."""

    def cut(size: int) -> Path:
        path = tmp_path / "cut.gguf"
        with smollm2.path.open("rb") as whole:
            path.write_bytes(whole.read(size))
        return path

    return cut


@pytest.fixture
def closed_port() -> int:
    """A loopback port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
