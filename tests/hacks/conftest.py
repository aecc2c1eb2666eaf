"""The whole path of an evaluation, as the service takes it: apply, restore, judge, expected tests, flags."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.hacks.projects import Project

from greenloop.builds.engine import Engine
from greenloop.builds.protect import DEFAULT_GLOBS
from greenloop.builds.sandbox import Bubblewrap, Limits
from greenloop.builds.stop import Stop
from greenloop.builds.toolchain import Toolchain
from greenloop.builds.toolchains.command import CommandConfig, CommandToolchain
from greenloop.builds.toolchains.dune import Dune, DuneConfig
from greenloop.builds.verdicts import VerdictStore
from greenloop.ces.bases import ScriptedBases
from greenloop.ces.ledger import Ledger
from greenloop.ces.worker import Worker
from greenloop.records import (
    DeleteFile,
    Edit,
    Evaluation,
    EvaluationRequest,
    HiddenFile,
    Suite,
    TestStatus,
    TreeId,
    WarmBuild,
    WriteFile,
)
from greenloop.workspace.store import Entry, Mode, TreeStore

Files = Mapping[str, str | None]
PYTHON = "/usr/bin/python3"


def edit_of(files: Files) -> Edit:
    """Return the edit that writes these files, and deletes those that are ``None``."""
    return Edit(
        files=tuple(
            DeleteFile(path=path) if text is None else WriteFile(path=path, content=text)
            for path, text in files.items()
        )
    )


class Court:
    """Judges edits of some projects' ``bad`` trees above their ``good`` ones."""

    def __init__(self, root: Path, toolchain: Toolchain, projects: Mapping[str, Project]) -> None:
        self.store = TreeStore(root / "store")
        self.engine = Engine(
            store=self.store,
            verdicts=VerdictStore(root / "verdicts.sqlite"),
            toolchain=toolchain,
            sandbox=Bubblewrap(limits=Limits(memory_mib=1024, scratch_mib=256, processes=64)),
            scratch=root / "scratch",
        )
        self.good = {name: self.tree(project.good) for name, project in projects.items()}
        self.bad = {name: self.tree(project.bad) for name, project in projects.items()}
        self.worker = Worker(
            store=self.store,
            engine=self.engine,
            pool=ScriptedBases({name: self._warm(name, tree) for name, tree in self.good.items()}),
            protected=DEFAULT_GLOBS,
            quarantine=Ledger(f"sqlite:///{root / 'ledger.sqlite'}"),
        )

    def tree(self, files: Mapping[str, str]) -> TreeId:
        """Store a tree of these files."""
        entries = {path: Entry(Mode.FILE, self.store.write_blob(text.encode())) for path, text in files.items()}
        return self.store.write_tree(entries)

    def _warm(self, name: str, tree: TreeId) -> WarmBuild:
        verdict = self.engine.trial(tree, Suite.TEST, base=tree).verdict
        assert verdict.green, verdict
        passed = tuple(test.name for test in verdict.tests if test.status is TestStatus.PASSED)
        return WarmBuild(revision=name, tree=tree, state="green", tests=passed, toolchain=self.engine.fingerprint)

    def evaluate(self, project: str, files: Files, *, hidden: tuple[HiddenFile, ...] = ()) -> Evaluation:
        """Judge an edit of a project's ``bad`` tree."""
        request = EvaluationRequest(revision=project, base_tree=self.bad[project], edit=edit_of(files), hidden=hidden)
        with Stop() as stop:
            return self.worker.ask(request).judge(stop).evaluation


@pytest.fixture(scope="session")
def at_once() -> Iterator[Callable[[Callable[[str], Evaluation], Mapping[str, object]], dict[str, Evaluation]]]:
    """Return a function that evaluates by name, two at a time."""
    with ThreadPoolExecutor(2) as pool:

        def run(evaluate: Callable[[str], Evaluation], names: Mapping[str, object]) -> dict[str, Evaluation]:
            return dict(zip(names, pool.map(evaluate, names), strict=True))

        yield run


def dune() -> Toolchain:
    """dune with limits that a hack may be made to wait for."""
    return Dune(DuneConfig(check_seconds=20, build_seconds=20, test_seconds=5, warm_seconds=60))


def python() -> Toolchain:
    """Python's own compiler and unittest."""
    config = CommandConfig(
        check=(PYTHON, "-m", "compileall", "-q", "shapes.py"),
        test=f"{PYTHON} -m unittest -v test_shapes 2>&1",
        test_pattern=r"^(?P<name>test_\w+ \([\w.]+\)) \.\.\. (?P<status>\w+)",
        test_seconds=10,
    )
    return CommandToolchain(config)
