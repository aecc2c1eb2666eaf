"""A home with a sidecar of its own, a real dune project, and model servers that answer over real HTTP."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.sidecars import ended

from greenloop.cli.app import App
from greenloop.cli.home import Home
from greenloop.models.scripted_server import Body, ScriptedServer, Served, streamed

GENEROUS = 120.0
"""Seconds that anything may take on a busy machine."""
FILES = {
    "dune-project": "(lang dune 2.9)\n",
    "lib/dune": "(library (name shop))\n",
    "lib/price.mli": "val total : int list -> int\n",
    "lib/price.ml": "let total prices = List.fold_left ( + ) 0 prices\n",
    "lib/bill.ml": 'let show prices = "total: " ^ string_of_int (Price.total prices)\n',
    "lib/mean.ml": "let mean prices = Price.total prices / List.length prices\n",
}
INTERFACE = "val total : int list -> float\n"
"""What breaks the three files."""
MENDED = {
    "lib/price.ml": "let total prices = float_of_int (List.fold_left ( + ) 0 prices)\n",
    "lib/bill.ml": 'let show prices = "total: " ^ string_of_float (Price.total prices)\n',
    "lib/mean.ml": "let mean prices = Price.total prices /. float_of_int (List.length prices)\n",
}


def block(path: str, old: str, new: str) -> str:
    """Return the part of a reply that changes a file."""
    return f"{path}\n<<<<\n{old.rstrip()}\n====\n{new.rstrip()}\n>>>>\n"


def mending(*paths: str) -> str:
    """Return the reply that mends these files."""
    return "\n".join(block(path, FILES[path], MENDED[path]) for path in paths)


@dataclass
class ModelServer:
    """A model behind a real HTTP server; ``answer`` says what it answers from now on."""

    answer: Served = field(default_factory=lambda: streamed("I know nothing."))

    def __post_init__(self) -> None:
        self.server = ScriptedServer(lambda _body: self.answer)

    @property
    def asked(self) -> list[Body]:
        """The requests that came."""
        return self.server.requests


@dataclass
class Desk:
    """A person before a project: an editor's files, a terminal, settings."""

    app: App
    root: Path

    def greenloop(self, *words: str) -> str:
        """Run ``greenloop`` in a terminal at the project; return what it printed."""
        command = [sys.executable, "-m", "greenloop", "--home", str(self.app.home.path), *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=self.root, timeout=GENEROUS)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def choose(
        self, url: str, name: str = "scripted", more: Mapping[str, float] | None = None, context: str = ""
    ) -> None:
        """Set which model the project asks, and how, as a person edits ``greenloop.toml``."""
        settings = "".join(
            f"{key} = {value}\n" for key, value in {"candidates": 1, "retries": 0, **(more or {})}.items()
        )
        text = f'[model]\nname = "openai:{name}@{url}"\n{settings}\n[search]\nenabled = false\n'
        self.save({"greenloop.toml": text + f"\n[turn]\nrepair_rounds = 0\n\n[context]\n{context}"})

    def save(self, files: dict[str, str]) -> None:
        """Write files of the project."""
        for path, text in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)


@pytest.fixture
def serve() -> Iterator[Callable[[], ModelServer]]:
    """Start model servers that end with the test."""
    running: list[ModelServer] = []

    def start() -> ModelServer:
        running.append(ModelServer())
        return running[-1]

    yield start
    for one in running:
        one.server.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A project under git that nobody trusts yet, and a home. Its name is short: the path of its socket has to be."""
    home = Path(tempfile.mkdtemp(prefix="gl"))
    found = Desk(App(Home(home), None), tmp_path / "shop")
    found.save(FILES)
    subprocess.run(["git", "init", "-q", str(found.root)], check=True)
    with ended(home):
        yield found
    shutil.rmtree(home)
