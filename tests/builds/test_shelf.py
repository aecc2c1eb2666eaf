"""The shelf of warm builds: what they take, whether they are whole, and the end of what was left half made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from greenloop.builds.locks import locked_if_free
from greenloop.builds.shelf import Place, Shelf, complete, delta_folder, measure

TREE = "a" * 40
OTHER = "b" * 40


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path, "k")


def put(shelf: Shelf, tree: str, kind: str = "k-build") -> Place:
    """Put a complete build on the shelf."""
    place = Place(kind, tree, shelf.root / f"{kind}-{tree}")
    inner = place.folder / "w" / "_build" / "deep"
    inner.mkdir(parents=True)
    (inner / "file").write_bytes(b"x" * 100_000)
    (inner / "script").write_text("echo\n")
    (inner / "script").chmod(0o555)
    (inner / "link").symlink_to("file")
    os.link(inner / "file", inner / "again")
    (place.folder / "built").touch()
    complete(place.folder)
    place.lock.touch()
    return place


def test_only_its_own_kind_and_only_complete_ones_stand_on_it(shelf: Shelf) -> None:
    mine, _ = put(shelf, TREE), put(shelf, TREE, "other-build")
    (shelf.root / f".k-build-{OTHER}.x1y2").mkdir()
    (shelf.root / "k-build-short").mkdir()
    assert shelf.places() == shelf.places(TREE) == (mine,)
    assert shelf.places(OTHER) == ()


def test_size_is_disk_in_use_and_hard_links_count_once(shelf: Shelf) -> None:
    put(shelf, TREE)
    real = subprocess.run(
        ["du", "-s", "--block-size=1", str(shelf.root / f"k-build-{TREE}" / "w")], capture_output=True, check=True
    )
    assert abs(shelf.size(TREE) - int(real.stdout.split()[0])) <= 4096
    assert shelf.size(OTHER) == 0


@pytest.mark.parametrize("harm", ["content", "shorter", "gone", "more", "mode", "link", "unsaid", "garbled"])
def test_a_build_that_is_not_as_it_was_is_not_whole(shelf: Shelf, harm: str) -> None:
    place = put(shelf, TREE)
    assert shelf.whole(place)
    deep = place.folder / "w" / "_build" / "deep"
    match harm:
        case "content":
            (deep / "file").write_bytes(b"y" * 100_000)
        case "shorter":
            os.truncate(deep / "file", 10)
        case "gone":
            (deep / "again").unlink()
        case "more":
            (deep / "more").touch()
        case "mode":
            (deep / "script").chmod(0o755)
        case "link":
            (deep / "link").unlink()
            (deep / "link").symlink_to("script")
        case "unsaid":
            (place.folder / "whole").unlink()
        case "garbled":
            (place.folder / "whole").write_text("{")
    assert not shelf.whole(place)


def test_what_is_held_stays_and_is_told_of(shelf: Shelf) -> None:
    place = put(shelf, TREE)
    assert shelf.held() == frozenset()
    first, second = shelf.hold(place), shelf.hold(place)
    assert first is not None
    assert second is not None
    assert shelf.held() == {TREE}
    first.close()
    first.close()
    assert not shelf.evict(TREE)
    second.close()
    assert shelf.evict(TREE)
    assert shelf.hold(place) is None
    assert shelf.evict(TREE)
    assert shelf.held() == frozenset()


def test_a_hold_of_another_process_counts_until_it_is_killed(shelf: Shelf) -> None:
    put(shelf, TREE)
    code = (
        "import sys; from pathlib import Path; from greenloop.builds.shelf import Shelf\n"
        "shelf = Shelf(Path(sys.argv[1]), 'k'); hold = shelf.hold(shelf.places()[0]); print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    argv = [sys.executable, "-c", code, str(shelf.root)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert not shelf.evict(TREE)
        child.kill()
    assert shelf.evict(TREE)


def test_the_most_recently_held_is_first(shelf: Shelf) -> None:
    places = [put(shelf, digit * 40) for digit in "abc"]
    for age, place in enumerate(places):
        os.utime(place.lock, (1000 - age, 1000 - age))
    hold = shelf.hold(places[2])
    assert hold is not None
    hold.close()
    assert [place.tree[0] for place in shelf.used()] == ["c", "a", "b"]


def test_what_killed_processes_left_is_swept_and_what_is_being_made_is_not(shelf: Shelf) -> None:
    kept = put(shelf, TREE)
    dead = shelf.root / f".k-build-{OTHER}.dead"
    busy = shelf.root / f".k-build-{'c' * 40}.busy"
    for folder in (dead, busy):
        (folder / "w" / "locked").mkdir(parents=True)
        (folder / "w" / "locked").chmod(0o000)
    (shelf.root / f"k-build-{'d' * 40}.lock").touch()
    with locked_if_free(shelf.root / f"k-build-{'c' * 40}.lock") as got, delta_folder(shelf.root) as delta:
        assert got
        os.utime(delta, (1, 1))
        old = shelf.root / ".delta-old"
        old.mkdir()
        os.utime(old, (1, 1))
        young = shelf.root / ".delta-young"
        young.mkdir()
        shelf.sweep()
        assert {path.name for path in shelf.root.iterdir() if path.is_dir()} == {
            *(kept.folder.name, busy.name, delta.name, young.name)
        }
    assert not (shelf.root / f"k-build-{'d' * 40}.lock").exists()
    assert not delta.exists()


def test_measuring_opens_no_file(shelf: Shelf) -> None:
    folder = shelf.root / "w"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "away").symlink_to("/")
    assert measure(folder).files == 0
