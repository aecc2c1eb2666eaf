import errno
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from greenloop.records import EnvironmentFault
from greenloop.storage import replacing, replacing_together, write_atomically


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    write_atomically(target, b"one")
    write_atomically(target, b"two")
    assert target.read_bytes() == b"two"
    assert list(target.parent.iterdir()) == [target]
    assert stat.S_IMODE(target.stat().st_mode) & stat.S_IRUSR


def test_a_path_through_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="file") as error:
        write_atomically(tmp_path / "file" / "below", b"")
    assert error.value.way_out


def test_a_file_that_is_written_bit_by_bit_comes_at_the_end_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with replacing(target) as file:
        file.write(b"one")
        assert not target.exists()
        file.write(b"two")
    assert target.read_bytes() == b"onetwo"
    assert stat.S_IMODE(target.stat().st_mode) & stat.S_IRGRP

    def interrupted() -> None:
        with replacing(target) as file:
            file.write(b"three")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_bytes() == b"onetwo"
    assert list(tmp_path.iterdir()) == [target]


TOGETHER = """
import os, signal, sys
from pathlib import Path
from greenloop.storage import replacing_together

folder, left = Path(sys.argv[1]), int(sys.argv[2])

def kill(event, words):
    global left
    if event in {"open", "os.rename", "os.remove", "fcntl.flock"} and str(folder) in str(words[0]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

paths = [folder / name for name in ("one", "two", "seal")]
sys.addaudithook(kill)
with replacing_together(paths) as files:
    for file in files:
        file.write(b"new")
"""


def test_files_that_belong_together_are_never_a_mixture_that_one_could_believe(tmp_path: Path) -> None:
    ends = []
    for kill_at in range(40):
        folder = tmp_path / str(kill_at)
        folder.mkdir()
        for name in ("one", "two", "seal"):
            (folder / name).write_bytes(b"old")
        done = subprocess.run([sys.executable, "-c", TOGETHER, str(folder), str(kill_at)], check=False)
        left = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}
        if done.returncode == 0:
            assert left == {"one": b"new", "two": b"new", "seal": b"new"}
            assert len(list(folder.iterdir())) == 3
            break
        assert done.returncode == -signal.SIGKILL
        if "seal" in left:
            assert left in [dict.fromkeys(("one", "two", "seal"), content) for content in (b"old", b"new")]
        ends.append("seal" in left)
    else:
        raise AssertionError("it was never left to end")
    assert True in ends
    assert False in ends


def test_of_files_that_belong_together_none_is_replaced_where_one_is_refused(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one", "two")]
    for path in paths:
        path.write_text("old")

    def refused() -> None:
        with replacing_together(paths) as files:
            files[0].write(b"new")
            files[1].write(b"new" * 10_000)
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(EnvironmentFault, match="one: No space left") as error:
        refused()
    assert "nothing was half written" in error.value.way_out
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"one": "old", "two": "old"}
