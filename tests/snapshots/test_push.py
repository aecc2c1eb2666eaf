"""A shared store, as a folder and as a real S3 server over HTTP: incremental, shared, resumable, and purged."""

import logging
import os
import random
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.snapshots.histories import ANN, BOB, STATES, fill, held, open_store, record, reports, told
from tests.snapshots.s3 import ACCESS, BUCKET, S3, SECRET

from greenloop.records import EnvironmentFault, InputError, Snapshot
from greenloop.snapshots.exports.pseudonyms import Pseudonyms
from greenloop.snapshots.exports.segments import PACK_BYTES
from greenloop.snapshots.pull import pull
from greenloop.snapshots.push import histories, push, writer_id
from greenloop.snapshots.remote import Remote, open_remote
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.folders import Entry, Mode

ME, YOU = "0" * 16, "1" * 16


@pytest.fixture
def filled(store: SnapshotStore) -> SnapshotStore:
    """Return a store of three workspaces, one of them empty, with reports."""
    return fill(store)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    """Return a server with an empty bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with S3().running() as server:
        bucket = urllib.request.Request(f"{server.url}/{BUCKET}", method="PUT")
        urllib.request.urlopen(bucket).close()
        yield server


@pytest.fixture
def bucket(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """Return a place of its own in the bucket."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return open_remote(f"s3://{BUCKET}/{tmp_path.name}", retries=1, patience=2)


@pytest.fixture(params=["folder", "s3"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Remote:
    """Return an empty shared store of each kind."""
    if request.param == "folder":
        return open_remote(str(tmp_path / "shared"))
    found: Remote = request.getfixturevalue("bucket")
    return found


def test_what_is_pushed_is_pulled_once(filled: SnapshotStore, remote: Remote, tmp_path: Path) -> None:
    sent = push(filled, remote, ME)
    other = open_store(tmp_path / "other")

    came = pull(other, remote)
    again = pull(other, remote)

    assert held(other) == held(filled)
    assert told(other) == told(filled)
    assert (sent.workspaces, sent.snapshots, came.new, came.new_reports) == (3, 6, 6, 5)
    assert (again.new, again.new_reports, again.troubles) == (0, 0, ())
    assert not [name for name in remote.sizes("writers/") if name.endswith("sending")]


def test_a_place_that_nobody_pushed_to_is_told_so(store: SnapshotStore, remote: Remote) -> None:
    remote.write("MainTable.csv", b"an export that is no store")

    with pytest.raises(InputError, match="nobody pushed to it") as told:
        pull(store, remote)

    assert all(word in told.value.way_out for word in ("jsonl", "pack", "greenloop record push"))


def test_only_what_is_new_is_sent(store: SnapshotStore, remote: Remote, tmp_path: Path) -> None:
    record(store, ANN, [{"big": random.Random(1).randbytes(1 << 20)}, *STATES[:2]])
    first = push(store, remote, ME)
    nothing = push(store, remote, ME)
    record(store, ANN, STATES[2:], start=3)
    store.add_report(reports()[1])
    more = push(store, remote, ME)
    other = open_store(tmp_path / "other")
    pull(other, remote)

    assert first.sent_bytes > 1 << 20
    assert (nothing.sent, nothing.snapshots, nothing.deleted) == (0, 0, 0)
    assert 0 < more.sent_bytes < 10_000
    assert held(other) == held(store)
    assert told(other) == told(store)
    assert next(iter(histories(remote).values())).rewritten == 0, "growing is no rewriting"


def test_many_pushes_leave_few_segments(store: SnapshotStore, tmp_path: Path) -> None:
    remote = open_remote(str(tmp_path / "shared"))
    for seq in range(40):
        record(store, ANN, [{"a": b"%d" % seq}], start=seq)
        push(store, remote, ME)
    other = open_store(tmp_path / "other")
    pull(other, remote)

    (history,) = histories(remote).values()
    pieces = {piece.name for segment in history.segments for piece in segment.pieces}
    assert len(history.segments) < 12
    assert {name.rpartition("/")[2] for name in remote.sizes("packs/")} == pieces, "what was joined is gone"
    assert held(other) == held(store)


def test_machines_that_hold_the_same_share_it(tmp_path: Path, remote: Remote) -> None:
    one, two = open_store(tmp_path / "one"), open_store(tmp_path / "two")
    generator = random.Random(2)
    files = {f"d{number % 20}/f{number}": generator.randbytes(40_000) for number in range(1000)}
    record(one, ANN, [files])
    record(two, BOB, [{**files, "d1/mine": b"mine"}])

    first = push(one, remote, ME)
    second = push(two, remote, YOU)
    other = open_store(tmp_path / "other")
    pull(other, remote)

    assert first.sent_bytes > 4 * PACK_BYTES
    assert second.there > second.sent
    assert second.sent_bytes < first.sent_bytes / 2
    assert held(other) == held(one) | held(two)


def test_what_is_purged_is_gone_at_the_next_push(store: SnapshotStore, remote: Remote, tmp_path: Path) -> None:
    record(store, ANN, [*STATES, {"secret": b"the purged one"}])
    record(store, BOB, STATES)
    push(store, remote, ME)
    other = open_store(tmp_path / "other")
    pull(other, remote)
    # the same home after a purge: ANN is gone, BOB's last two snapshots are
    after = open_store(tmp_path / "after")
    record(after, BOB, STATES[:3])

    done = push(after, remote, ME)
    second = pull(other, remote)
    fresh = open_store(tmp_path / "fresh")
    pull(fresh, remote)

    assert done.withdrawn == (ANN.id,)
    assert done.deleted > 0
    assert second.purged == (ANN.id,)
    assert held(fresh) == held(after)
    live = {piece.name for one in histories(remote).values() for s in one.segments for piece in s.pieces}
    assert {name.rpartition("/")[2] for name in remote.sizes("packs/")} == live


def test_what_another_writer_tells_of_stays(tmp_path: Path, remote: Remote) -> None:
    one, two = open_store(tmp_path / "one"), open_store(tmp_path / "two")
    record(one, ANN, STATES)
    record(two, ANN, STATES)
    push(one, remote, ME)
    push(two, remote, YOU)

    done = push(open_store(tmp_path / "purged"), remote, ME)
    other = open_store(tmp_path / "other")

    assert (done.withdrawn, done.deleted) == ((ANN.id,), 0)
    assert done.shared > 0
    assert pull(other, remote).troubles == ()
    assert held(other) == held(two)


def test_a_piece_that_is_gone_is_told_of_and_sent_again(filled: SnapshotStore, remote: Remote, tmp_path: Path) -> None:
    push(filled, remote, ME)
    (history,) = [one for one in histories(remote).values() if one.workspace == ANN]
    remote.delete([name for name in remote.sizes("packs/") if name.endswith(history.segments[1].journal.name)])
    other = open_store(tmp_path / "other")

    came = pull(other, remote)
    again = push(filled, remote, ME)
    healed = pull(other, remote)

    assert len(came.troubles) == 1
    assert "next push sends it again" in came.troubles[0]
    assert again.sent == 1
    assert (healed.troubles, held(other)) == ((), held(filled))


def test_a_history_that_was_rewritten_is_not_mixed_with_the_old_one(
    store: SnapshotStore, remote: Remote, tmp_path: Path
) -> None:
    record(store, ANN, STATES)
    push(store, remote, ME)
    other = open_store(tmp_path / "other")
    pull(other, remote)
    before = held(other)
    purged = open_store(tmp_path / "purged")
    record(purged, ANN, [{path: c for path, c in files.items() if path != "a.ml"} for files in STATES])
    push(purged, remote, ME)

    came = pull(other, remote)

    assert len(came.troubles) == 1
    assert "its writer rewrote it, as a purge does" in came.troubles[0]
    assert held(other) == before


def test_pushing_again_under_pseudonyms_withdraws_the_names(
    filled: SnapshotStore, remote: Remote, tmp_path: Path
) -> None:
    push(filled, remote, ME)
    push(filled, remote, ME, names=Pseudonyms(b"k" * 32))
    other = open_store(tmp_path / "other")
    pull(other, remote)

    assert all(workspace.author.startswith("person-") for workspace in other.workspaces())
    assert len(other.workspaces()) == 3


def test_a_server_that_refuses_is_tried_again_and_the_rest_is_sent_later(
    filled: SnapshotStore, s3: S3, bucket: Remote, tmp_path: Path
) -> None:
    refused: list[str] = []

    def once(method: str, path: str) -> bool:
        if method == "PUT" and path not in refused:
            refused.append(path)
            return True
        return False

    s3.fault = once
    push(filled, bucket, ME)
    assert len(refused) > 3, "each write was refused once, and made again"

    s3.asked.clear()
    s3.fault = lambda method, path: method == "PUT" and len(s3.puts()) > 3
    store = open_store(tmp_path / "big")
    record(store, BOB, [{f"f{n}": b"%d" % (n * state) for n in range(40)} for state in range(20)])
    record(store, ANN, STATES[1:])
    with pytest.raises(EnvironmentFault, match="503") as caught:
        push(store, bucket, YOU)
    s3.fault = lambda _method, _path: False
    done = push(store, bucket, YOU)
    other = open_store(tmp_path / "other")
    pull(other, bucket, writer=ME)

    assert ACCESS not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert done.there > 0
    assert held(other) == held(store)


PUSHER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from greenloop.snapshots.push import push
from greenloop.snapshots.remote import open_remote
from tests.snapshots.histories import open_store
push(open_store(Path(sys.argv[1])), open_remote(sys.argv[2]), "0" * 16)
"""


def pushing(home: Path, bucket: Remote, s3: S3) -> subprocess.Popen[bytes]:
    """Start a push in a process of its own."""
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", PUSHER, str(home), bucket.shown, root]
    return subprocess.Popen(command, env={**os.environ, **s3.environment}, cwd=root)


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 6, 7])
def test_a_push_that_is_killed_sends_the_rest_when_it_runs_again(
    s3: S3, bucket: Remote, tmp_path: Path, at: int
) -> None:
    store = open_store(tmp_path / "home")
    generator = random.Random(3)
    record(store, ANN, [{f"f{n}": generator.randbytes(30_000) for n in range(600)}, *STATES[1:]])
    record(store, BOB, STATES)
    s3.asked.clear()
    s3.reached.clear()
    s3.free.clear()
    s3.hold = lambda method, _path: method == "PUT" and len(s3.puts()) >= at

    process = pushing(tmp_path / "home", bucket, s3)
    assert s3.reached.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    s3.hold = lambda _method, _path: False
    s3.free.set()
    before = bucket.sizes("packs/")
    s3.asked.clear()
    push(store, bucket, ME)

    sent = [path for path in s3.puts() if "/packs/" in path]
    assert not [path for path in sent if path.partition(f"{tmp_path.name}/")[2] in before], "nothing is sent twice"
    other = open_store(tmp_path / "other")
    assert pull(other, bucket).troubles == ()
    assert held(other) == held(store)
    live = {piece.name for one in histories(bucket).values() for s in one.segments for piece in s.pieces}
    assert {name.rpartition("/")[2] for name in bucket.sizes("packs/")} == live
    assert not list((tmp_path / "home/scratch").glob("*")), "what the killed one left in the home is swept"


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_what_is_purged_goes_even_if_the_push_is_killed(s3: S3, bucket: Remote, tmp_path: Path, at: int) -> None:
    full = open_store(tmp_path / "full")
    record(full, ANN, STATES)
    record(full, BOB, STATES)
    push(full, bucket, ME)
    after = open_store(tmp_path / "home")
    record(after, BOB, STATES[:2])
    seen: list[str] = []

    def hold(method: str, _path: str) -> bool:
        if method in {"PUT", "POST", "DELETE"}:
            seen.append(method)
        return len(seen) >= at and method in {"PUT", "POST", "DELETE"}

    s3.reached.clear()
    s3.free.clear()
    s3.hold = hold
    process = pushing(tmp_path / "home", bucket, s3)
    while not s3.reached.wait(0.1) and process.poll() is None:
        pass
    process.kill()
    process.wait()
    s3.hold = lambda _method, _path: False
    s3.free.set()
    push(after, bucket, ME)

    fresh = open_store(tmp_path / "fresh")
    pull(fresh, bucket)
    assert held(fresh) == held(after)
    live = {piece.name for one in histories(bucket).values() for s in one.segments for piece in s.pieces}
    assert {name.rpartition("/")[2] for name in bucket.sizes("packs/")} == live


def test_a_manifest_that_cannot_be_read_stops_deleting_and_nothing_else(
    filled: SnapshotStore, remote: Remote, tmp_path: Path
) -> None:
    push(filled, remote, ME)
    remote.write(f"writers/{YOU}/x.json", b"{}")
    after = open_store(tmp_path / "after")
    record(after, BOB, STATES[1:2])

    done = push(after, remote, ME)
    remote.delete([f"writers/{YOU}/x.json"])
    healed = push(after, remote, ME)

    assert done.withdrawn
    assert (done.deleted, "x.json" in done.trouble) == (0, True)
    assert healed.deleted > 0


def test_a_huge_file_has_a_pack_of_its_own(store: SnapshotStore, tmp_path: Path) -> None:
    remote = open_remote(str(tmp_path / "shared"))
    content = random.Random(4).randbytes(3 * PACK_BYTES)
    tree = store.trees.write_tree({"huge": Entry(Mode.FILE, store.trees.write_blob(content))})
    store.add_workspace(ANN)
    store.add([Snapshot(workspace=ANN.id, seq=0, time=1.0, tree=tree)])

    push(store, remote, ME)
    other = open_store(tmp_path / "other")
    pull(other, remote)

    assert held(other) == held(store)


def test_a_writer_keeps_its_name(tmp_path: Path) -> None:
    name = writer_id(tmp_path / "writer")

    assert writer_id(tmp_path / "writer") == name
    (tmp_path / "writer").write_text("../../evil")
    with pytest.raises(InputError, match="holds no writer's name"):
        writer_id(tmp_path / "writer")


@pytest.mark.parametrize("url", ["ftp://x/y", "https://user:pass@x/y?sig=secret", "s3://"])
def test_a_url_that_is_none_is_one_clear_error_without_what_is_secret_in_it(url: str) -> None:
    with pytest.raises(InputError) as caught:
        open_remote(url)

    assert "pass" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_one_clear_error(
    filled: SnapshotStore, monkeypatch: pytest.MonkeyPatch, s3: S3
) -> None:
    for name, value in {**s3.environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(EnvironmentFault, match="connection refused") as caught:
        push(filled, open_remote("s3://team/x", retries=0, patience=1), ME)

    assert SECRET not in str(caught.value)
