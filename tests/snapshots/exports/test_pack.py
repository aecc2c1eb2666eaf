"""A pack: what goes out comes in, once; damage and malice are refused, and equal histories give equal bytes."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygit2
import pytest
from tests.snapshots.histories import ANN, STATES, held, open_store, record, reports, told

from greenloop.records import GreenloopError, InputError, RecordError
from greenloop.snapshots.exports.pack import export_pack, import_pack
from greenloop.snapshots.exports.pseudonyms import Pseudonyms
from greenloop.snapshots.exports.segments import Piece, piece_of
from greenloop.snapshots.store import SnapshotStore


def test_a_pack_goes_out_and_comes_in_once(filled: SnapshotStore, tmp_path: Path) -> None:
    out = export_pack(filled, tmp_path / "x.pack")
    other = open_store(tmp_path / "other")

    came = import_pack(other, tmp_path / "x.pack")
    again = import_pack(other, tmp_path / "x.pack")

    assert held(other) == held(filled)
    assert told(other) == told(filled)
    assert other.workspaces() == filled.workspaces()
    assert (out.workspaces, out.snapshots, out.reports) == (3, 6, 5)
    assert (came.snapshots, came.new, came.new_reports) == (6, 6, 5)
    assert (again.snapshots, again.new, again.new_reports) == (6, 0, 0)


def test_the_same_histories_give_the_same_bytes_wherever_they_are(filled: SnapshotStore, tmp_path: Path) -> None:
    export_pack(filled, tmp_path / "one")
    other = open_store(tmp_path / "other")
    other.trees.write_blob(b"something that was there before")
    import_pack(other, tmp_path / "one")

    export_pack(other, tmp_path / "two")

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_history_that_went_on_adds_what_is_new(store: SnapshotStore, tmp_path: Path) -> None:
    record(store, ANN, STATES[:2])
    export_pack(store, tmp_path / "x")
    other = open_store(tmp_path / "other")
    import_pack(other, tmp_path / "x")
    record(store, ANN, STATES[2:], start=2)
    store.add_report(reports()[1])
    export_pack(store, tmp_path / "y")

    came = import_pack(other, tmp_path / "y")

    assert (came.new, came.new_reports) == (3, 1)
    assert held(other) == held(store)
    assert told(other) == told(store)


def test_two_histories_that_parted_are_not_mixed(store: SnapshotStore, tmp_path: Path) -> None:
    record(store, ANN, STATES)
    export_pack(store, tmp_path / "x")
    other = open_store(tmp_path / "other")
    record(other, ANN, STATES[1:])
    before = held(other)

    with pytest.raises(InputError, match="differs"):
        import_pack(other, tmp_path / "x")

    assert held(other) == before


def test_pseudonyms_are_in_the_pack_and_names_are_not(filled: SnapshotStore, tmp_path: Path) -> None:
    export_pack(filled, tmp_path / "x", names=Pseudonyms.load(tmp_path / "key"))
    other = open_store(tmp_path / "other")
    import_pack(other, tmp_path / "x")

    again = open_store(tmp_path / "again")
    export_pack(filled, tmp_path / "y", names=Pseudonyms.load(tmp_path / "key"))
    import_pack(again, tmp_path / "y")

    people = {workspace.author for workspace in other.workspaces()}
    assert len(people) == 3
    assert all(person.startswith("person-") for person in people)
    assert again.workspaces() == other.workspaces(), "the same key, the same people"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert not any("ann" in workspace.id or "bob" in workspace.id for workspace in other.workspaces())


Index = dict[str, Any]
Pieces = dict[str, bytes]


def repacked(path: Path, change: Callable[[Index, Pieces], None]) -> None:
    """Write a pack anew, as somebody would who means harm."""
    with zipfile.ZipFile(path) as archive:
        index = json.loads(archive.read("greenloop-pack.json"))
        pieces = {name: archive.read(name) for name in archive.namelist() if name.startswith("pieces/")}
    change(index, pieces)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in pieces.items():
            archive.writestr(name, content)
        archive.writestr("greenloop-pack.json", json.dumps(index))


def replaced(index: Index, pieces: Pieces, folder: Path, content: bytes) -> None:
    """Put ``content`` in the place of the first git pack, under its right name."""
    (folder / "piece").write_bytes(content)
    piece: Piece = piece_of(folder / "piece")
    segment = index["histories"][0]["segments"][0]
    segment["packs"][0] = piece.model_dump(mode="json")
    pieces[f"pieces/{piece.name}"] = content


DAMAGES: dict[str, tuple[Callable[[Index, Pieces], None], str]] = {
    "no index of ours": (lambda index, _: index.update(format="other"), "cannot be read"),
    "a later version": (lambda index, _: index.update(version=9), "version 9 cannot be read"),
    "a field that is not known": (lambda index, _: index["histories"][0].update(x=1), "History: x"),
    "a piece is missing": (lambda _, pieces: pieces.clear(), "no pack of Greenloop's"),
    "a piece has other bytes": (
        lambda _, pieces: pieces.update({name: b"x" * len(content) for name, content in pieces.items()}),
        "not the bytes that were written",
    ),
    "a piece is longer than it says": (
        lambda _, pieces: pieces.update({name: content + b"x" for name, content in pieces.items()}),
        "bytes, not",
    ),
    "a name that leads outside": (
        lambda index, _: index["histories"][0]["segments"][0]["journal"].update(name="../../x"),
        "name",
    ),
    "segments in another order": (lambda index, _: index["histories"][0]["segments"].reverse(), "does not begin where"),
    "another digest": (
        lambda index, _: index["histories"][0]["segments"][0].update(digest="0" * 64),
        "does not hold what it should",
    ),
    "another workspace": (
        lambda index, _: index["histories"][0]["workspace"].update(id="w/eve"),
        "does not hold what it should",
    ),
    "another last tree": (
        lambda index, _: index["histories"][0]["segments"][-1].update(tree="0" * 40),
        "does not hold what it should",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_one_clear_error(filled: SnapshotStore, tmp_path: Path, damage: str) -> None:
    export_pack(filled, tmp_path / "x", [ANN.id])
    change, words = DAMAGES[damage]
    repacked(tmp_path / "x", change)
    other = open_store(tmp_path / "other")

    with pytest.raises(RecordError, match=words):
        import_pack(other, tmp_path / "x")

    # what is whole may have come; nothing else did
    assert all(one in held(filled)[ANN.id] for one in held(other).get(ANN.id, ()))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_anywhere_adds_nothing(filled: SnapshotStore, tmp_path: Path, share: float) -> None:
    export_pack(filled, tmp_path / "x")
    content = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(content[: int(len(content) * share)])
    other = open_store(tmp_path / "other")

    with pytest.raises(RecordError, match="get the file again"):
        import_pack(other, tmp_path / "x")

    assert other.workspaces() == ()


def hostile(folder: Path, kind: str) -> bytes:
    """Return a git pack that means harm."""
    repository = pygit2.init_repository(str(folder / kind), bare=True)
    if kind == "commit":
        tree = repository.TreeBuilder().write()
        who = pygit2.Signature("e", "e@e", 0, 0)
        oids = [repository.create_commit(None, who, who, "x", tree, []), tree]
    elif kind == "outside":
        blob = repository.create_blob(b"evil")
        raw = b"100644 ..\0" + blob.raw
        oids = [repository.odb.write(pygit2.enums.ObjectType.TREE, raw), blob]
    else:
        oids = [repository.create_blob(b"\0" * (80 << 20))]

    def add(builder: pygit2.PackBuilder) -> None:
        for oid in oids:
            builder.add(oid)

    (folder / "packs").mkdir()
    repository.pack(str(folder / "packs"), pack_delegate=add)
    (pack,) = (folder / "packs").glob("*.pack")
    return pack.read_bytes()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("commit", "holds a commit"),
        ("outside", "not a whole and honest"),
        ("bomb", "unfolds to|not a whole and honest"),
    ],
)
def test_a_hostile_pack_is_refused_and_leaves_nothing(
    filled: SnapshotStore, tmp_path: Path, kind: str, words: str
) -> None:
    export_pack(filled, tmp_path / "x", [ANN.id])
    content = hostile(tmp_path, kind)
    repacked(tmp_path / "x", lambda index, pieces: replaced(index, pieces, tmp_path, content))
    other = open_store(tmp_path / "other")

    with pytest.raises(GreenloopError, match=words):
        import_pack(other, tmp_path / "x", max_mib=1)

    assert list(other.snapshots(ANN.id)) == []
    assert not list((tmp_path / "other/objects.git/objects/pack").glob("*.pack"))
    assert not list((tmp_path / "other/scratch").rglob("*"))


def test_nothing_unfinished_stays_in_the_home(filled: SnapshotStore, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        export_pack(filled, tmp_path / "x", progress=lambda done, _total: print(1 // (done - 6)))

    assert not list((tmp_path / "home/scratch").rglob("*"))
    assert not (tmp_path / "x").exists()
