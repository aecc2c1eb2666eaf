"""How busy the machine is, as the kernel tells it in three ways; and locks that others hold."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from greenloop.builds.load import MachineLoad, ScriptedLoad, locked_by_others


def proc(folder: Path, *, pressure: str = "", average: str = "", running: int | None = None) -> Path:
    if pressure:
        (folder / "pressure").mkdir()
        full = "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
        (folder / "pressure/cpu").write_text(f"some avg10={pressure} avg60=1.00 avg300=1.00 total=77\n{full}")
    if average:
        (folder / "loadavg").write_text(f"{average} 0.10 0.10 3/91 28062\n")
    if running is not None:
        (folder / "stat").write_text(f"cpu  1 2 3 4\nprocesses 77\nprocs_running {running}\nprocs_blocked 0\n")
    return folder


def test_the_kernels_pressure_goes_before_all_else(tmp_path: Path) -> None:
    assert MachineLoad(proc(tmp_path, pressure="37.50", average="99.0", running=99), cores=2).waiting() == 0.375


@pytest.mark.parametrize(
    ("average", "running", "share"),
    [("0.20", 1, 0.0), ("2.00", 3, 0.0), ("8.00", 1, 0.75), ("0.10", 9, 0.75), ("4.00", 9, 0.75)],
)
def test_without_it_what_has_no_core_of_its_own_waits(tmp_path: Path, average: str, running: int, share: float) -> None:
    assert MachineLoad(proc(tmp_path, average=average, running=running), cores=2).waiting() == share


def test_a_machine_that_tells_nothing_is_not_called_busy(tmp_path: Path) -> None:
    assert MachineLoad(tmp_path).waiting() == 0.0


def test_this_machine_tells_a_share() -> None:
    assert 0.0 <= MachineLoad().waiting() <= 1.0


def test_the_fake_repeats_its_last_answer() -> None:
    load = ScriptedLoad([0.5, 0.0])
    assert [load.waiting() for _ in range(3)] == [0.5, 0.0, 0.0]


@pytest.mark.parametrize("how", ["fcntl.flock", "fcntl.lockf"])
def test_a_lock_of_another_process_is_seen_and_left_alone(tmp_path: Path, how: str) -> None:
    file = tmp_path / ".lock"
    file.touch()
    assert not locked_by_others(file)
    program = (
        f"import fcntl, sys; f = open(sys.argv[1], 'r+'); {how}(f, fcntl.LOCK_EX); print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        stamp = file.stat().st_atime_ns
        assert locked_by_others(file)
        assert file.stat().st_atime_ns == stamp
        assert not locked_by_others(tmp_path / "other")
        holder.kill()
    assert not locked_by_others(file)


def test_a_lock_that_shows_another_device_is_found_by_the_open_file(tmp_path: Path) -> None:
    """As btrfs and overlayfs show it."""
    file = tmp_path / ".lock"
    other = tmp_path / "another"
    for path in (file, other):
        path.touch()
    with file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for path, locked in ((file, True), (other, False)):
            fake = tmp_path / f"proc-{path.name}"
            (fake / "7/fd").mkdir(parents=True)
            (fake / "7/fd/3").symlink_to(file)
            line = f"1: FLOCK  ADVISORY  WRITE 7 ff:ff:{path.stat().st_ino} 0 EOF\n"
            (fake / "locks").write_text(f"{line}2: -> FLOCK  ADVISORY  WRITE 8 ff:ff:{path.stat().st_ino} 0 EOF\n")
            assert locked_by_others(path, fake) is locked
