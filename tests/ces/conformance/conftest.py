"""The whole service but its door, put together from the configurations that ``docs/toolchains.md`` shows."""

import asyncio
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.ces.conformance import ocaml, python
from tests.ces.conformance.suite import Change, Language

from greenloop.builds import images
from greenloop.ces.backend import Backend
from greenloop.ces.ledger import Ledger
from greenloop.cli.ces_service import Sources, assemble
from greenloop.cli.config import Config
from greenloop.cli.home import Home
from greenloop.records import Edit, Evaluation, EvaluationRequest
from greenloop.workspace.store import Entry, Mode, TreeStore

ROOT = Path(__file__).resolve().parents[3]
LANGUAGES: Mapping[str, Language] = {"dune": ocaml.LANGUAGE, "image": ocaml.LANGUAGE, "python": python.LANGUAGE}
TEST_SECONDS = 12.0
"""Wall clock of the tests' stage: the suite has one that never ends."""


class Bench:
    """A service on one language's project, and the questions that its cases ask."""

    def __init__(
        self, language: Language, desk: Backend, ledger: Ledger, store: TreeStore, loop: asyncio.Runner
    ) -> None:
        self.language = language
        self.ledger = ledger
        self._desk = desk
        self._store = store
        self._loop = loop

    def ask(self, change: Change, *, fresh: bool = False) -> Evaluation:
        """Judge a change to the project at its one commit."""
        given: dict[str, object] = {"revision": "project@HEAD", "edit": Edit(files=change.files), "fresh": fresh}
        if change.beneath:
            given["base_tree"] = self._tree(dict(self.language.files) | dict(change.beneath))
        return self._loop.run(self._desk.evaluate(EvaluationRequest.model_validate(given)))

    def _tree(self, files: Mapping[str, str | bytes]) -> str:
        raw = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        return self._store.write_tree(
            {path: Entry(Mode.FILE, self._store.write_blob(content)) for path, content in raw.items()}
        )


def configuration(name: str) -> Config:
    """Return the configuration that the documentation shows under ``name``, for this checkout's own environment."""
    page = (ROOT / "docs" / "toolchains.md").read_text("utf-8")
    found = re.search(rf"<!-- conformance: {name} -->\n```toml\n(.*?)```", page, re.DOTALL)
    assert found, f"docs/toolchains.md shows no configuration for {name}"
    # the environment in which these tests run is the project's
    text = found[1].replace("/srv/shop/.venv", sys.prefix)
    settings = Config.model_validate(tomllib.loads(text))
    interpreter = Path(sys.base_prefix)
    folders = settings.toolchain.read_only
    if folders and not interpreter.is_relative_to("/usr"):
        folders += (str(interpreter),)
    return settings.model_copy(
        update={
            "toolchain": settings.toolchain.model_copy(update={"read_only": folders}),
            "ces": settings.ces.model_copy(update={"workers": 1, "repeats": 1}),
            "dune": settings.dune.model_copy(update={"test_seconds": TEST_SECONDS}),
            "command": settings.command and settings.command.model_copy(update={"test_seconds": TEST_SECONDS}),
        }
    )


@contextmanager
def serving(name: str, root: Path) -> Iterator[Bench]:
    """Serve a language's project under the configuration ``name``."""
    language = LANGUAGES[name]
    for path, text in language.files.items():
        (root / "project" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "project" / path).write_text(text)
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", *words], cwd=root / "project", check=True, capture_output=True)
    home = Home(root / "home")
    sources = Sources({"project": root / "project"})
    with asyncio.Runner() as loop, assemble(home, configuration(name), sources, try_layers=False) as service:
        loop.run(service.desk.start())
        try:
            yield Bench(language, service.desk, service.ledger, home.trees, loop)
        finally:
            loop.run(service.desk.close())


@pytest.fixture(scope="module", params=sorted(LANGUAGES))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Each toolchain in turn."""
    name: str = request.param
    root = tmp_path_factory.mktemp(name)
    if name == "image":
        trixie: images.Image = request.getfixturevalue("trixie")
        (root / "home").mkdir()
        (root / "home" / "images").symlink_to(trixie.root.parents[1])
    with serving(name, root) as found:
        yield found
