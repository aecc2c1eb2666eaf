"""The journal: read by any git, the index made from it, rewritten whole, and never forked."""

import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenloop.records import BuildReport, Conflict, GreenloopError, InputError, Snapshot, Status, Workspace
from greenloop.snapshots.journal import SEGMENT_ENTRIES, prefix_of, ref_of, workspace_of
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import Entry, Mode, TreeStore
from greenloop.workspace.upkeep import Upkeep

ANN = Workspace(id="recorder/ann/ledger", author="ann", title="ledger", source="recorder")
DAY = 86400.0


def tree(store: SnapshotStore, text: str) -> str:
    return store.trees.write_tree({"a": Entry(Mode.FILE, store.trees.write_blob(text.encode()))})


def record(store: SnapshotStore, times: Iterable[float], first: int = 0) -> None:
    store.add_workspace(ANN)
    for seq, time in enumerate(times, first):
        with store.trees.staged():
            made = tree(store, f"text {seq}")
            store.add([Snapshot(workspace=ANN.id, seq=seq, time=time, tree=made)])


def report(seq: int, status: Status = Status.RED, **fields: object) -> BuildReport:
    body = {"workspace": ANN.id, "seq": seq, "time": 9.0, "source": "shadow", "status": status, **fields}
    return BuildReport.model_validate(body)


def reopened(store: SnapshotStore, *, without_index: bool = False, said: list[str] | None = None) -> SnapshotStore:
    store.close()
    store.trees.close()
    if without_index:
        for path in store.path.parent.glob(f"{store.path.name}*"):
            path.unlink()
    return SnapshotStore(store.path, TreeStore(store.trees.path), report=None if said is None else said.append)


def held(store: SnapshotStore) -> tuple[object, ...]:
    return (
        store.workspaces(), list(store.snapshots(ANN.id)), list(store.reports(ANN.id)), store.segments(ANN.id)
    )  # fmt: skip


def seqs(store: SnapshotStore) -> list[int]:
    return [snapshot.seq for snapshot in store.snapshots(ANN.id)]


@given(st.one_of(st.text(), st.sampled_from(["", ".", "..", "a/b", "a.lock", "é~^:?*[\\", "@{", "%", "%25", "/", " "])))
def test_any_workspace_has_refs_that_git_allows(id_: str) -> None:
    ref = ref_of(id_, 7)
    assert workspace_of(ref) == id_
    assert ref.startswith(prefix_of(id_))
    assert ref.count("/") == 3
    command = ["git", "check-ref-format", ref]
    assert subprocess.run(command, check=False).returncode == 0, ref


def test_a_segment_begins_each_day_and_each_thousand_entries_and_the_clock_does_not_matter(
    store: SnapshotStore,
) -> None:
    # forward a day, back two days, and on from there
    record(store, [DAY * 10, DAY * 10 + 1, DAY * 11, DAY * 9, DAY * 9 + 1])

    assert seqs(store) == [0, 1, 2, 3, 4]
    assert [(part.first_seq, part.last_seq, part.entries) for part in store.segments(ANN.id)] == [
        (0, 1, 2), (2, 2, 1), (3, 4, 2),
    ]  # fmt: skip
    assert store.segments(ANN.id)[0].first_time == DAY * 10
    many = SEGMENT_ENTRIES * 2
    store.add(Snapshot(workspace=ANN.id, seq=seq, time=DAY * 9, tree=store.trees.empty) for seq in range(5, 5 + many))
    assert [part.entries for part in store.segments(ANN.id)] == [2, 1, SEGMENT_ENTRIES, SEGMENT_ENTRIES, 2]
    assert held(reopened(store, without_index=True)) == held(store)


def test_any_git_reads_the_history(store: SnapshotStore) -> None:
    record(store, [5.5, 6.5])
    store.add_report(report(1, Status.GREEN))
    store.trees.flush()
    (segment,) = store.segments(ANN.id)
    command = ["git", f"--git-dir={store.trees.path}", "log", "--reverse", "--format=%at %s", segment.ref]
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith('5 {"kind":"snapshot","seq":0,"time":5.5,"workspace":{"author":"ann"')
    assert lines[1] == '6 {"kind":"snapshot","seq":1,"time":6.5}'
    assert '"kind":"report"' in lines[2]
    assert '"status":"green"' in lines[2]


def test_an_index_that_is_missing_is_made_again(store: SnapshotStore) -> None:
    record(store, [0, 1, DAY, 2 * DAY])
    for said in (report(0), report(3), report(3, Status.GREEN, source="reported"), report(3), report(2, smeared=True)):
        store.add_report(said)
    before = held(store)

    assert held(reopened(store, without_index=True)) == before
    store.trees.flush()
    assert held(reopened(store, without_index=True)) == before


def test_an_index_that_lags_follows(store: SnapshotStore) -> None:
    record(store, [0, 1])
    old = store.path.read_bytes() if not store.close() else b""  # type: ignore[func-returns-value]
    store = reopened(store)
    record(store, [2, DAY], first=2)
    store.add_report(report(1))
    before = held(store)
    store.close()
    store.path.write_bytes(old)

    said: list[str] = []
    assert held(reopened(store, said=said)) == before
    assert said == []


def test_an_index_that_is_ahead_is_cut_back_to_what_there_is(store: SnapshotStore) -> None:
    record(store, [0, 1])
    store.trees.flush()
    record(store, [2, DAY], first=2)
    store.close()
    store.trees.close()
    for path in store.trees.path.glob("staging.db*"):
        path.unlink()

    said: list[str] = []
    again = reopened(store, said=said)

    assert seqs(again) == [0, 1]
    assert len(said) == 2
    assert all("1 snapshots that the index knew are not in the journal" in words for words in said)
    record(again, [5], first=2)
    assert seqs(reopened(again)) == [0, 1, 2]


def test_an_index_that_is_deleted_while_it_is_used_is_made_again(store: SnapshotStore) -> None:
    record(store, [0, 1])
    for path in store.path.parent.glob(f"{store.path.name}*"):
        path.unlink()

    assert seqs(store) == [0, 1]
    record(store, [2], first=2)
    assert seqs(reopened(store)) == [0, 1, 2]


def test_what_a_power_cut_tore_is_cut_off_and_told(store: SnapshotStore) -> None:
    record(store, [0, 1])
    # files that were written on their own wait for no disk
    torn = store.trees.write_blob(b"torn" * 100)
    made = store.trees.write_tree({"a": Entry(Mode.FILE, torn)})
    store.add([Snapshot(workspace=ANN.id, seq=2, time=2.0, tree=made)])
    store.trees.flush()
    path = store.trees.path / "objects" / torn[:2] / torn[2:]
    path.chmod(0o644)
    path.write_bytes(b"")

    said: list[str] = []
    again = reopened(store, without_index=True, said=said)

    assert seqs(again) == [0, 1]
    assert said == [f"{ANN.id}: the newest entries were torn, as by a power cut: cut back to the last whole one"]
    record(again, [3], first=2)
    path.unlink()
    # what was cut off is there no more for git to stumble over
    Upkeep(again.trees).prune(0)
    assert Upkeep(again.trees).fsck() == ()


def test_a_rewritten_history_is_whole_for_every_reader_and_its_bytes_go(store: SnapshotStore) -> None:
    record(store, [0, 1, 2, DAY, DAY + 1])
    store.add_report(report(1))
    store.add_report(report(4, Status.GREEN))
    reader = reopened(store)

    def keep(shot: Snapshot) -> Snapshot | None:
        if shot.seq in {0, 1}:
            return None
        return shot.model_copy(update={"tree": store.trees.empty}) if shot.seq == 3 else shot

    assert store.rewrite(ANN.id, keep) == 3

    assert seqs(reader) == seqs(store) == [2, 3, 4]
    assert [shot.reported for shot in store.snapshots(ANN.id)] == [None, None, Status.GREEN]
    assert [part.first_seq for part in store.segments(ANN.id)] == [2, 3]
    assert [said.seq for said in store.reports(ANN.id)] == [4]
    Upkeep(store.trees).prune(0)
    packs = subprocess.run(
        ["git", f"--git-dir={store.trees.path}", "cat-file", "--batch-all-objects", "--batch"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert [b"text %d" % seq in packs for seq in range(5)] == [False, False, True, False, True]
    assert held(reopened(store, without_index=True)) == held(store)
    assert (store.check(), Upkeep(store.trees).fsck()) == ((), ())
    assert store.rewrite(ANN.id, lambda shot: shot) == 0
    assert store.rewrite(ANN.id, lambda shot: shot, lambda _report: None) == 0
    assert list(store.reports(ANN.id)) == []


def test_a_rewriting_that_fails_changes_nothing(store: SnapshotStore) -> None:
    record(store, [0, 1])
    before = held(store)

    with pytest.raises(ValueError, match="snapshot 0 may not become another one"):
        store.rewrite(ANN.id, lambda shot: shot.model_copy(update={"seq": shot.seq + 1}))

    assert held(store) == before == held(reopened(store, without_index=True))


def test_segments_and_workspaces_are_dropped(store: SnapshotStore) -> None:
    record(store, [0, DAY, DAY + 1])
    first, second = store.segments(ANN.id)
    store.drop_segment(first)
    store.drop_segment(first)
    assert seqs(store) == [1, 2]
    record(store, [DAY + 2], first=3)
    with pytest.raises(Conflict):
        store.drop_segment(second)

    store.forget(ANN.id)

    assert (store.workspaces(), seqs(store), store.segments(ANN.id)) == ((), [], ())
    assert store.trees.refs("refs/") == {}
    again = reopened(store, without_index=True)
    assert again.workspaces() == ()
    record(again, [0])
    assert seqs(again) == [0]


def test_a_block_that_fails_after_an_addition_undoes_it(store: SnapshotStore) -> None:
    record(store, [0])
    with suppress(InputError), store.trees.staged():
        store.add([Snapshot(workspace=ANN.id, seq=1, time=1.0, tree=tree(store, "x"))])
        assert seqs(store) == [0, 1]
        store.add([Snapshot(workspace=ANN.id, seq=2, time=1.0, tree="c" * 40)])
        raise AssertionError("a tree that is nowhere was taken")

    assert seqs(store) == seqs(reopened(store)) == [0]


PROGRAM = """
import sys
from pathlib import Path
from greenloop.records import Snapshot
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import Entry, Mode, TreeStore
home, name = Path(sys.argv[1]), sys.argv[2]
store = SnapshotStore(home / "snapshots.db", TreeStore(home / "objects.git"))
(workspace,) = store.workspaces()
for number in range(40):
    with store.trees.staged():
        tree = store.trees.write_tree({"a": Entry(Mode.FILE, store.trees.write_blob(f"{name} {number}".encode()))})
        seq = store.next_seq(workspace.id)
        try:
            store.add([Snapshot(workspace=workspace.id, seq=seq, time=0.0, tree=tree)])
        except Exception as error:
            assert "there already and differs" in str(error), error
    if number % 10 == 9:
        store.trees.flush()
"""


def test_two_writers_of_one_workspace_never_fork_it_and_readers_see_whole_histories(store: SnapshotStore) -> None:
    record(store, [0.0])
    home = str(store.path.parent)
    writers = [subprocess.Popen([sys.executable, "-c", PROGRAM, home, name]) for name in ("one", "two")]
    while any(writer.poll() is None for writer in writers):
        found = list(store.snapshots(ANN.id))
        assert [shot.seq for shot in found] == list(range(len(found)))
        assert store.trees.read(found[-1].tree, "a")
    assert [writer.returncode for writer in writers] == [0, 0]
    (segment,) = store.segments(ANN.id)
    assert segment.entries == store.count(ANN.id) >= 41
    assert held(reopened(store, without_index=True)) == held(store)
    assert (store.check(), Upkeep(store.trees).fsck()) == ((), ())


def test_a_damaged_entry_is_told_and_the_rest_is_there(store: SnapshotStore) -> None:
    record(store, [0, DAY])
    store.trees.flush()
    first, second = store.segments(ANN.id)
    path = store.trees.path / "packed-refs"
    path.write_bytes(path.read_bytes().replace(second.tip.encode(), b"1" * 40))

    said: list[str] = []
    again = reopened(store, without_index=True, said=said)

    assert seqs(again) == [0]
    assert any(second.ref in words for words in said)
    assert any(second.ref in words for words in again.check())
    path.write_bytes(b"not a list of refs\n")
    with pytest.raises(GreenloopError, match="packed-refs"):
        reopened(again)
    assert first.ref not in said
