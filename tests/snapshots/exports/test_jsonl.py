"""A history as one file: what goes out comes in, twice is once, damage adds nothing, and version 1 is still read."""

import json
import lzma
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.records import InputError, RecordError, Snapshot, Status, Workspace
from greenloop.snapshots.exports.jsonl import export_history, import_history
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.folders import Entry, Mode
from greenloop.workspace.store import TreeStore

ANN = Workspace(id="w/ann", author="ann", title="w", source="recorder")
BOB = Workspace(id="w/bob", author="bob é", title="w", source="recorder")

Files = dict[str, bytes]


def record(store: SnapshotStore, workspace: Workspace, states: Iterable[Files], **fields: object) -> None:
    store.add_workspace(workspace)
    for seq, files in enumerate(states):
        entries = {path: Entry(Mode.FILE, store.trees.write_blob(content)) for path, content in files.items()}
        tree = store.trees.write_tree(entries)
        body = {"workspace": workspace.id, "seq": seq, "time": 1396649997.45319 + seq, "tree": tree, **fields}
        store.add([Snapshot.model_validate(body)])


def fresh(folder: Path) -> SnapshotStore:
    return SnapshotStore(folder / "snapshots.db", TreeStore(folder / "objects.git"))


def held(store: SnapshotStore) -> dict[str, list[tuple[Snapshot, Files]]]:
    """Everything a store holds, with the bytes of every file of every tree."""
    return {
        workspace.id: [
            (snapshot, {path: store.trees.read_blob(e.blob) for path, e in store.trees.files(snapshot.tree).items()})
            for snapshot in store.snapshots(workspace.id)
        ]
        for workspace in store.workspaces()
    }


@pytest.fixture
def filled(store: SnapshotStore) -> SnapshotStore:
    one, two = {"a.ml": b"let a = 1\n", "lib/b.ml": b"let b = A.a\n"}, {"a.ml": b"let a = 2\n", "bin": b"\xff\x00"}
    record(store, ANN, [one, two, {}, one], cut="start", deliberate=True, reported=Status.RED, skipped=2)
    record(store, BOB, [two])
    store.add_workspace(Workspace(id="w/none", author="n", title="empty", source="recorder"))
    return store


@pytest.mark.parametrize("name", ["history.jsonl.xz", "history.jsonl"])
def test_a_history_goes_out_and_comes_in(filled: SnapshotStore, tmp_path: Path, name: str) -> None:
    out = export_history(filled, tmp_path / name)
    other = fresh(tmp_path / "other")

    came = import_history(other, tmp_path / name)
    again = import_history(other, tmp_path / name)

    assert held(other) == held(filled)
    assert other.workspaces() == filled.workspaces()
    assert (out.workspaces, out.snapshots, out.blobs) == (3, 5, 4)
    assert (came.snapshots, came.new, again.snapshots, again.new) == (5, 5, 5, 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(
    st.lists(st.dictionaries(st.sampled_from(["a", "b/c", "b/d", "é"]), st.binary(max_size=5), max_size=4), max_size=6)
)
def test_any_history_survives(tmp_path_factory: pytest.TempPathFactory, states: list[Files]) -> None:
    folder = tmp_path_factory.mktemp("history")
    store, other = fresh(folder / "one"), fresh(folder / "two")
    record(store, ANN, states)
    export_history(store, folder / "x.jsonl")

    import_history(other, folder / "x.jsonl")

    assert held(other) == held(store)
    store.close()
    other.close()


def test_the_same_history_gives_the_same_bytes_wherever_it_is(filled: SnapshotStore, tmp_path: Path) -> None:
    export_history(filled, tmp_path / "one.jsonl.xz")
    other = fresh(tmp_path / "other")
    other.trees.write_blob(b"something that was there before")
    import_history(other, tmp_path / "one.jsonl.xz")

    export_history(other, tmp_path / "two.jsonl.xz")

    assert (tmp_path / "one.jsonl.xz").read_bytes() == (tmp_path / "two.jsonl.xz").read_bytes()


def test_one_workspace_goes_out_alone_and_an_unknown_one_is_refused(filled: SnapshotStore, tmp_path: Path) -> None:
    export_history(filled, tmp_path / "x.jsonl", ["w/bob"])
    other = fresh(tmp_path / "other")
    import_history(other, tmp_path / "x.jsonl")

    assert [workspace.id for workspace in other.workspaces()] == ["w/bob"]
    with pytest.raises(InputError, match=r"w/eve: no such workspace \(there are: w/ann, w/bob, w/none\)"):
        export_history(filled, tmp_path / "y.jsonl", ["w/eve"])


def test_a_history_that_went_on_adds_what_is_new(store: SnapshotStore, tmp_path: Path) -> None:
    record(store, ANN, [{"a": b"1"}, {"a": b"2"}])
    export_history(store, tmp_path / "x.jsonl")
    other = fresh(tmp_path / "other")
    import_history(other, tmp_path / "x.jsonl")
    record(store, ANN, [{"a": b"1"}, {"a": b"2"}, {"a": b"3"}])
    export_history(store, tmp_path / "y.jsonl")

    assert import_history(other, tmp_path / "y.jsonl").new == 1
    assert held(other) == held(store)


def test_a_long_history_is_small(store: SnapshotStore, tmp_path: Path) -> None:
    lines = [f"let value_{number} = {number} * {number}\n" for number in range(400)]
    states = []
    for turn in range(60):
        lines[turn * 6] = f"let value_{turn} = changed {turn}\n"
        states.append({"a.ml": "".join(lines).encode(), "b.ml": b"let b = 1\n"})
    record(store, ANN, states)

    export_history(store, tmp_path / "x.jsonl.xz")

    raw = sum(len(state["a.ml"]) for state in states)
    assert (tmp_path / "x.jsonl.xz").stat().st_size < raw / 50


def edited(line: int, change: Callable[[dict[str, Any]], object]) -> Callable[[list[str]], list[str]]:
    def edit(lines: list[str]) -> list[str]:
        body = json.loads(lines[line])
        change(body)
        return [*lines[:line], json.dumps(body), *lines[line + 1 :]]

    return edit


# 0 header, 1 workspace, 2 and 3 contents, 4 snapshot, …, -1 end
DAMAGES: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "empty": (lambda lines: [], "x.jsonl: the file is empty"),
    "foreign": (lambda lines: ['{"some": "thing"}'], "x.jsonl:1: no line of a Greenloop history: some"),
    "not JSON": (lambda lines: [*lines[:3], "not json", *lines[4:]], "x.jsonl:4: no line of a Greenloop history"),
    "another format": (edited(0, lambda b: b.update(format="other")), "x.jsonl:1: no Greenloop history"),
    "no header": (lambda lines: lines[1:], "x.jsonl:1: no Greenloop history"),
    "later version": (edited(0, lambda b: b.update(version=3)), "x.jsonl:1: version 3 cannot be read"),
    "end is missing": (lambda lines: lines[:-1], "x.jsonl: the file is cut short"),
    "a line is missing": (lambda lines: [*lines[:6], *lines[7:]], "x.jsonl:"),
    "after the end": (lambda lines: [*lines, lines[-1]], "a line after the end"),
    "content changed": (edited(2, lambda b: b.update(blob="evil")), "x.jsonl:5: snapshot 0 gives tree"),
    "unknown content": (edited(4, lambda b: b["changes"][0].__setitem__(2, 99)), "x.jsonl:5: no such mode"),
    "submodule": (edited(4, lambda b: b["changes"][0].__setitem__(1, 0o160000)), "x.jsonl:5: no such mode"),
    "path outside": (edited(4, lambda b: b["changes"][0].__setitem__(0, "../x")), "x.jsonl:5: not a path of a tree"),
    "path absolute": (edited(4, lambda b: b["changes"][0].__setitem__(0, "/x")), "x.jsonl:5: not a path of a tree"),
    "path into git": (edited(4, lambda b: b["changes"][0].__setitem__(0, "d/.GIT/x")), "x.jsonl:5: not a path"),
    "field missing": (edited(4, lambda b: b["snapshot"].pop("time")), "x.jsonl:5: no line of a Greenloop"),
    "bad base64": (lambda lines: [line.replace('{"base64":"', '{"base64":"!') for line in lines], "not base64"),
    "snapshot first": (lambda lines: [lines[0], *lines[2:]], "x.jsonl:4: a snapshot before any workspace"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_one_clear_error_and_nothing_is_added(filled: SnapshotStore, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.jsonl"
    export_history(filled, path)
    edit, message = DAMAGES[damage]
    lines = edit(path.read_text().splitlines())
    path.write_text("".join(f"{line}\n" for line in lines))
    other = fresh(tmp_path / "other")

    with pytest.raises(RecordError) as caught:
        import_history(other, path)

    assert message in str(caught.value)
    assert other.workspaces() == ()


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.xz"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_anywhere_adds_nothing(filled: SnapshotStore, tmp_path: Path, name: str, share: float) -> None:
    export_history(filled, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    other = fresh(tmp_path / "other")

    with pytest.raises(RecordError, match=r"x\.jsonl"):
        import_history(other, tmp_path / name)

    assert other.workspaces() == ()


@pytest.mark.parametrize("content", [b"\xff\xfe nothing\n", lzma.compress(b"\xff\xfe\n"), b"\xfd7zXZ\x00nonsense"])
def test_bytes_that_are_no_text_are_one_clear_error(store: SnapshotStore, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)

    with pytest.raises(RecordError, match=r"x:1|x: after line 0"):
        import_history(store, tmp_path / "x")


def test_a_missing_file_is_one_clear_error(store: SnapshotStore, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="nowhere: no such file"):
        import_history(store, tmp_path / "nowhere")
