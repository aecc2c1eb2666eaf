"""Build status and trust, as an editor is told them."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from greenloop.aid.protocol.base import Encoding
from greenloop.aid.protocol.session import (
    BuildState,
    FileSaved,
    Status,
    WorkspaceOpen,
    WorkspaceRef,
    WorkspaceState,
    WorkspaceTrust,
)
from greenloop.aid.scripted import ScriptedPeer
from greenloop.aid.service import Call
from greenloop.aid.trust import Trust
from greenloop.aid.workspaces.disk import Disk
from greenloop.aid.workspaces.equipment import ScriptedEquipment, Strategy
from greenloop.aid.workspaces.service import WorkspaceService
from greenloop.builds.scripted import Answer, ScriptedJudge
from greenloop.builds.stop import Stop
from greenloop.records import (
    Category,
    Diagnostic,
    EnvironmentFault,
    InputError,
    RecordError,
    Refused,
    Severity,
    Span,
    Suite,
    TreeId,
)
from greenloop.records import Status as Verdicted
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import WorkingCopy

GENEROUS = 60.0


def wait(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + GENEROUS
    while not look():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


@dataclass
class Desk:
    """A workspace service, an editor, and a project that is red while it holds the word ``bad``."""

    root: Path
    service: WorkspaceService
    equipment: ScriptedEquipment
    judge: ScriptedJudge
    peer: ScriptedPeer

    def open(self, path: Path | None = None, peer: ScriptedPeer | None = None) -> WorkspaceState:
        return self._ask("workspace/open", WorkspaceOpen(path=str(path or self.root)), peer)

    def trust(self, *, trusted: bool = True) -> WorkspaceState:
        return self._ask("workspace/trust", WorkspaceTrust(workspace=self.name, trusted=trusted))

    def status(self) -> Status:
        answer: Status = self._ask("status/get", WorkspaceRef(workspace=self.name))  # type: ignore[assignment]
        return answer

    @property
    def name(self) -> str:
        return self.open().workspace

    def _ask(self, method: str, params: object, peer: ScriptedPeer | None = None) -> WorkspaceState:
        with Stop() as stop:
            answer: WorkspaceState = self.service.handlers().methods[method](Call(peer or self.peer, stop), params)
            return answer

    def told(self, peer: ScriptedPeer | None = None) -> list[Status]:
        return [params for _, params in list((peer or self.peer).told) if isinstance(params, Status)]

    def await_state(self, state: BuildState, peer: ScriptedPeer | None = None) -> Status:
        wait(lambda: bool(self.told(peer)) and self.told(peer)[-1].state is state, str(state))
        return self.told(peer)[-1]

    def save(self, text: str, *, hint: bool = True) -> None:
        (self.root / "a.ml").write_text(text)
        if hint:
            with Stop() as stop:
                saved = FileSaved(workspace=self.name, path="a.ml")
                self.service.handlers().notes["file/saved"](Call(self.peer, stop), saved)


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    return float(getattr(request, "param", 0.0))


@pytest.fixture
def desk(tmp_path: Path, store: TreeStore, seconds: float) -> Iterator[Desk]:
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.ml").write_text("good\n")

    def script(tree: TreeId, suite: Suite) -> Answer:
        text = (store.read(tree, "a.ml") or b"").decode()
        if "bad" not in text:
            return Verdicted.GREEN
        at = len(text[: text.index("bad")].encode())
        span = Span(line=1, column=at, end_line=1, end_column=at + 3)
        return (Diagnostic(severity=Severity.ERROR, category=Category.TYPE, message="bad", path="a.ml", span=span),)

    judge = ScriptedJudge(script, seconds=seconds)
    equipment = ScriptedEquipment(store, judge, Strategy("plain", None))
    service = WorkspaceService(equipment, Trust(tmp_path / "aid/trusted.json"), tmp_path / "aid")
    yield Desk(root, service, equipment, judge, ScriptedPeer(encoding=Encoding.UTF16))
    service.close()


def test_nothing_is_built_until_the_person_trusts_it(desk: Desk) -> None:
    state = desk.open()
    assert (state.trusted, state.toolchain, state.root) == (False, "", str(desk.root))
    told = desk.await_state(BuildState.UNTRUSTED)
    assert "not trusted" in told.note
    desk.save("bad\n")
    desk.trust(trusted=False)
    desk.await_state(BuildState.UNTRUSTED)
    assert (desk.judge.asked, desk.equipment.built) == ([], [])
    state = desk.trust()
    assert (state.trusted, state.toolchain) == (True, "scripted")
    desk.await_state(BuildState.RED)


def test_the_status_follows_what_is_saved(desk: Desk) -> None:
    desk.open()
    desk.trust()
    green = desk.await_state(BuildState.GREEN)
    desk.save("é𝄞 bad\n")
    red = desk.await_state(BuildState.RED)
    (problem,) = red.problems
    assert problem.range is not None
    # the client counts UTF-16: é is one unit, the clef two
    assert (problem.range.start.column, red.errors, red.tree != green.tree) == (4, 1, True)
    desk.save("good again\n", hint=False)
    desk.await_state(BuildState.GREEN)
    states = [status.state for status in desk.told()]
    assert BuildState.CHECKING in states
    assert desk.status().state is BuildState.GREEN
    checking = [status for status in desk.told() if status.state is BuildState.CHECKING][-1]
    assert [one.message for one in checking.problems] == ["bad"]


@pytest.mark.parametrize("seconds", [600.0], indirect=True)
def test_a_newer_save_ends_the_check_of_an_older_tree(desk: Desk) -> None:
    desk.open()
    desk.trust()
    wait(lambda: len(desk.judge.asked) == 1, "the first check")
    desk.save("newer\n")
    wait(lambda: len(desk.judge.asked) == 2, "the second check, though the first would take ten minutes")
    assert desk.judge.asked[0] != desk.judge.asked[1]
    # a revoked trust ends it as well
    desk.trust(trusted=False)
    desk.await_state(BuildState.UNTRUSTED)


def test_a_saved_file_that_changes_nothing_is_not_checked_again(desk: Desk) -> None:
    desk.open()
    desk.trust()
    desk.await_state(BuildState.GREEN)
    for _ in range(3):
        desk.save("good\n")
    desk.save("bad\n")
    desk.await_state(BuildState.RED)
    assert len(desk.judge.asked) == 2


def test_several_editors_have_it_open(desk: Desk) -> None:
    other = ScriptedPeer(id="other")
    first, second = desk.open(), desk.open(desk.root / "a.ml", other)
    assert first == second
    desk.trust()
    desk.await_state(BuildState.GREEN, other)
    desk.service.left(desk.peer)
    desk.service.left(other)
    with pytest.raises(Refused) as refused:
        desk.service.find(first.workspace)
    assert refused.value.code == "unknown-workspace"
    # its cache is free for the next one
    assert desk.open().workspace == first.workspace
    assert desk.open().trusted


def test_a_path_that_is_not_there(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        desk.open(tmp_path / "nowhere")


def test_a_path_that_no_file_system_takes(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="File name too long"):
        desk.open(tmp_path / ("x" * 5000))


def test_a_folder_that_is_gone_is_a_fault_and_not_an_empty_project(desk: Desk) -> None:
    desk.open()
    desk.trust()
    desk.await_state(BuildState.GREEN)
    shutil.rmtree(desk.root)
    told = desk.await_state(BuildState.FAULT)
    assert "is gone" in told.note


def test_trust_is_kept_and_taken_back(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    Trust(tmp_path / "home/trusted.json").decide(root, trusted=True)
    trust = Trust(tmp_path / "home/trusted.json")
    assert trust.trusts(root)
    assert trust.roots() == (str(root),)
    trust.decide(root, trusted=False)
    assert not trust.trusts(root)
    assert not Trust(tmp_path / "home/trusted.json").trusts(root)


def test_a_folder_that_takes_the_place_of_a_trusted_one_is_not_trusted(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    trust = Trust(tmp_path / "trusted.json")
    trust.decide(root, trusted=True)
    assert trust.trusts(root)
    (root / "new-file").write_text("work goes on\n")
    assert trust.trusts(root)

    moved = root.rename(tmp_path / "moved")
    assert not trust.trusts(moved)
    assert not trust.trusts(root)
    shutil.copytree(moved, root)
    assert not trust.trusts(root)
    shutil.rmtree(root)
    moved.rename(root)
    assert trust.trusts(root)
    # another repository in the same folder is another project
    shutil.rmtree(root / ".git")
    (root / ".git").mkdir()
    assert not trust.trusts(root)
    shutil.rmtree(root)
    (root / ".git").mkdir(parents=True)
    assert not Trust(tmp_path / "trusted.json").trusts(root)


def test_a_damaged_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "trusted.json").write_text("{")
    with pytest.raises(RecordError, match=r"trusted\.json: not JSON"):
        Trust(tmp_path / "trusted.json").trusts(tmp_path)


def test_the_tree_of_the_disk_is_brought_up_to_date_and_not_read_anew(tmp_path: Path, store: TreeStore) -> None:
    root = tmp_path / "large"
    for number in range(200):
        (root / f"d{number % 10}").mkdir(parents=True, exist_ok=True)
        (root / f"d{number % 10}/f{number}.ml").write_text(f"let x = {number}\n")
    disk = Disk(WorkingCopy(root, store, tmp_path / "cache"), lambda: None)
    try:
        first = disk.tree()
        assert len(store.files(first)) == 200
        # a file that nobody was told of is not looked for: that is what makes it quick
        (root / "d1/f1.ml").write_text("let x = 0\n")
        disk.hint("d1/f1.ml")
        second = disk.tree()
        assert [change.path for change in store.changes(first, second)] == ["d1/f1.ml"]
        (root / "d2/new.ml").write_text("let new_one = 1\n")
        wait(lambda: store.entry(disk.tree(), "d2/new.ml") is not None, "the watcher")
    finally:
        disk.close()


def test_what_changes_between_the_first_reading_and_the_watching_is_found(tmp_path: Path, store: TreeStore) -> None:
    root = tmp_path / "young"
    # so many that to watch them takes a while
    for number in range(3000):
        (root / f"d{number}").mkdir(parents=True)
    (root / "a.ml").write_text("let x = 1\n")
    for number in range(4):
        disk = Disk(WorkingCopy(root, store, tmp_path / f"cache{number}"), lambda: None)
        try:
            disk.tree()
            # nobody says so, and it may be that nobody watches yet
            (root / f"late{number}.ml").write_text("let late = 1\n")
            late = f"late{number}.ml"

            def found(disk: Disk = disk, late: str = late) -> bool:
                return store.entry(disk.tree(), late) is not None

            wait(found, late)
        finally:
            disk.close()
