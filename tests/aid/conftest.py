"""Doors for the tests: one in a thread, and sidecars in processes of their own."""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.aid.wires import Wire, doorway
from tests.sidecars import ended

from greenloop.aid.client.reach import Launch
from greenloop.aid.door.connection import Bounds
from greenloop.aid.door.place import Place
from greenloop.aid.service import Service

Opening = Callable[..., Callable[[], Wire]]
"""Opens a door for a service; returns what connects to it."""


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name: the paths of Unix sockets are."""
    folder = Path(tempfile.mkdtemp(prefix="gl"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def opened(short: Path, stack: ExitStack) -> Opening:
    """Open a door for a service; returns what connects to it."""

    def open_door(service: Service, bounds: Bounds | None = None) -> Callable[[], Wire]:
        path, _ = stack.enter_context(doorway(short, service, bounds))

        def connect() -> Wire:
            wire = Wire(path)
            stack.callback(wire.close)
            return wire

        return connect

    return open_door


@pytest.fixture
def place(short: Path) -> Iterator[Place]:
    """Where a sidecar of this test lives; it is ended with the test."""
    place = Place(short / "aid", short / "run")
    with ended(short):
        yield place


@pytest.fixture
def launch(short: Path, place: Place) -> Callable[..., Launch]:
    """How a scripted sidecar is started, in processes of its own."""

    def make(version: str = "1.0", **settings: Any) -> Launch:
        program = str(Path(__file__).parent / "scripted_sidecar.py")
        assert place.folder.parent == short
        given = json.dumps({"folder": str(short), "version": version, **settings})
        return Launch((sys.executable, program, given), version)

    return make
