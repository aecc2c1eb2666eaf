"""The developer's own `dune build --watch`, really running: what it says is reported for the tree that it built."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from greenloop.builds.checker.observer import DuneObserver, read_diagnostics
from greenloop.builds.images import Image
from greenloop.builds.load import locked_by_others
from greenloop.records import BuildReport, Category, InfrastructureError, Severity, Snapshot, Span, Status
from greenloop.snapshots.dune_watch import DuneWatch
from greenloop.snapshots.recorder import workspace_for
from greenloop.snapshots.store import SnapshotStore
from greenloop.snapshots.team_builds import TeamBuilds
from greenloop.workspace.vcs import read_checkout

ANN = workspace_for("ann", "ledger")
RED = "let add x y = x + y\nlet twice : string = add 1 1\n"


class Project:
    """A dune project in which the toolchain image's dune watches, with the recorder's part played by hand."""

    def __init__(self, root: Path, store: SnapshotStore, image: Image) -> None:
        self.root = root
        self.store = store
        self._image = image
        root.mkdir()
        (root / "lib").mkdir()
        (root / "dune-project").write_text("(lang dune 3.0)\n")
        (root / "lib/dune").write_text("(library (name calc))\n")
        self.save("let add x y = x + y\n")
        store.add_workspace(ANN)
        self.builds = TeamBuilds(store, ANN.id, root.parent, self._tree)
        self.watch = DuneWatch(root, self.builds)
        self.dune: subprocess.Popen[bytes] | None = None

    def _tree(self) -> str:
        return read_checkout(self.root, self.store.trees).tree

    def save(self, text: str) -> None:
        (self.root / "lib/calc.ml").write_text(text)

    def snapshot(self) -> int:
        last = self.store.last(ANN.id)
        seq = 0 if last is None else last.seq + 1
        self.store.add([Snapshot(workspace=ANN.id, seq=seq, time=time.time(), tree=self._tree())])
        return seq

    def start(self) -> None:
        # the image's own folders are not to be written to, so the project lies at another path there
        where = ["--ro-bind", str(self._image.root), "/", "--tmpfs", "/run", "--bind", str(self.root), "/run/work"]
        rest = ["--dev", "/dev", "--proc", "/proc", "--setenv", "HOME", "/run", "--setenv", "TMPDIR", "/run"]
        watch = ["dune", "build", "--root", ".", "--watch", "@check"]
        self.dune = subprocess.Popen(
            ["bwrap", *where, *rest, "--die-with-parent", "--chdir", "/run/work", *watch],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.until((self.root / "_build/.rpc/dune").is_socket)

    def end(self) -> None:
        self.watch.close()
        if self.dune is not None:
            self.dune.kill()
            self.dune.wait()

    def until(self, holds: Callable[[], bool], seconds: float = 60.0) -> bool:
        """Look on until something holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                return False
            self.watch.step()
            time.sleep(0.05)
        return True

    def reports(self) -> list[BuildReport]:
        return list(self.store.reports(ANN.id))

    def after(self, count: int) -> BuildReport:
        assert self.until(lambda: len(self.reports()) >= count), self.reports()
        return self.reports()[count - 1]


@pytest.fixture
def project(tmp_path: Path, store: SnapshotStore, trixie: Image) -> Iterator[Project]:
    made = Project(tmp_path / "work", store, trixie)
    yield made
    made.end()


def test_each_build_is_reported_for_the_tree_that_it_built(project: Project) -> None:
    project.snapshot()
    assert project.watch.step() is None, "nobody watches"
    project.start()
    first = project.after(1)
    assert (first.seq, first.source, first.status, first.smeared) == (0, "reported", Status.GREEN, False)
    assert first.tool == "dune build --watch"
    assert project.watch.idle
    assert locked_by_others(project.root / "_build/.lock"), "a watch holds the lock though it rests"

    project.save(RED)
    project.snapshot()
    second = project.after(2)
    assert (second.seq, second.status, second.smeared) == (1, Status.RED, False)
    (error,) = second.diagnostics
    assert (error.path, error.severity, error.category) == ("lib/calc.ml", Severity.ERROR, Category.TYPE)
    assert error.span == Span(line=2, column=21, end_line=2, end_column=28)
    assert "has type" in error.message

    # saved, and built, before the recorder has looked: it waits for the snapshot of that tree
    project.save("let add x y = x + y\nlet twice = add 1 1\n")
    waiting = project.root.parent / "waiting.json"
    assert project.until(waiting.exists)
    project.snapshot()
    project.builds.settle()
    third = project.after(3)
    assert (third.seq, third.status, third.smeared) == (2, Status.GREEN, False)


def test_looking_on_leaves_the_build_alone(project: Project) -> None:
    project.snapshot()
    project.start()
    project.after(1)

    def held() -> dict[str, tuple[bytes, int]]:
        # its log is dune's own, in which it notes who connects
        return {
            str(path): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in (project.root / "_build").rglob("*")
            if path.is_file() and path.name != "log"
        }

    before = held()
    for _ in range(3):
        project.watch.close()
        project.watch.step()
        project.watch.step()
    assert held() == before
    assert project.dune is not None
    assert project.dune.poll() is None


def test_a_dune_that_ends_is_not_waited_for(project: Project) -> None:
    project.snapshot()
    project.start()
    project.after(1)
    assert project.dune is not None
    project.dune.kill()
    project.dune.wait()
    assert project.until(lambda: not project.watch.idle)
    assert project.watch.fileno() is None
    # a dead server leaves its socket behind
    assert project.watch.step() is None or project.watch.step() == 10.0
    shutil.rmtree(project.root / "_build")
    assert len(project.reports()) == 1


def test_what_is_no_server_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "_build/.rpc").mkdir(parents=True)
    (tmp_path / "_build/.rpc/dune").write_text("no socket")
    with pytest.raises(InfrastructureError, match="no socket"):
        DuneObserver(tmp_path)
    with pytest.raises(InfrastructureError):
        read_diagnostics(b"nonsense", tmp_path)
    (strange,) = read_diagnostics([[[b"message", [b"Unheard", b"of"]], [b"loc", b"?"]]], tmp_path)
    assert (strange.message, strange.path, strange.severity) == ("", None, Severity.ERROR)
