"""What a command may use, and what becomes of one that wants more."""

import os
from pathlib import Path

import pytest

from greenloop.builds.sandbox import Bubblewrap, Command, Completed, Limits, Sandbox, Unsandboxed
from greenloop.builds.sandbox.cgroup import Group, Hierarchy, find

SMALL = Limits(wall_seconds=20, memory_mib=256, output_kib=16, scratch_mib=16, processes=40)


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    tree = tmp_path / "lower"
    tree.mkdir()
    return tree


def run(lower: Path, *argv: str, sandbox: Sandbox | None = None, seconds: float | None = None) -> Completed:
    command = Command(argv, seconds=seconds)
    (done,) = (sandbox or Bubblewrap(limits=SMALL)).run_over(lower, delta=None, deletions=(), commands=(command,))
    return done


def left_over() -> list[Path]:
    return [path for hierarchy in find() for path in hierarchy.folder.glob(f"greenloop-{os.getpid()}-*")]


@pytest.mark.parametrize("kind", [Bubblewrap, Unsandboxed])
def test_a_flood_of_output_is_capped_and_read_to_its_end(lower: Path, kind: type[Bubblewrap | Unsandboxed]) -> None:
    script = "head -c 50000000 /dev/zero; head -c 50000000 /dev/zero >&2; exit 3"
    done = run(lower, "sh", "-c", script, sandbox=kind(limits=SMALL))
    assert done.exit_status == 3
    assert (len(done.stdout), len(done.stderr)) == (16 << 10, 16 << 10)
    assert done.truncated


@pytest.mark.parametrize("kind", [Bubblewrap, Unsandboxed])
def test_output_of_just_the_cap_is_whole(lower: Path, kind: type[Bubblewrap | Unsandboxed]) -> None:
    done = run(lower, "head", "-c", str(16 << 10), "/dev/zero", sandbox=kind(limits=SMALL))
    assert (len(done.stdout), done.truncated) == (16 << 10, False)


@pytest.mark.parametrize("kind", [Bubblewrap, Unsandboxed])
def test_an_endless_flood_ends_by_the_wall_clock(lower: Path, kind: type[Bubblewrap | Unsandboxed]) -> None:
    done = run(lower, "yes", sandbox=kind(limits=SMALL), seconds=0.5)
    assert done.timed_out
    assert done.stdout == b"y\n" * (8 << 10)


def test_a_memory_hog_fails_alone(lower: Path) -> None:
    hog = "head -c 400000000 /dev/zero | tail -c 390000000 | wc -c"
    done = run(lower, "sh", "-c", hog)
    assert b"390000000" not in done.stdout
    enough = run(lower, "sh", "-c", "head -c 90000000 /dev/zero | tail -c 80000000 | wc -c")
    assert enough.stdout.strip() == b"80000000"


def test_many_hogs_together_are_bounded_where_control_groups_hold(lower: Path) -> None:
    if not find():
        assert os.geteuid() != 0
        return
    hogs = "for i in 1 2 3 4; do (head -c 190000000 /dev/zero | tail -c 180000000 | (sleep 1; wc -c)) & done; wait"
    done = run(lower, "sh", "-c", hogs)
    assert done.stdout.count(b"180000000") < 4
    assert left_over() == []


def test_the_scratch_space_is_bounded_and_failing_to_write_is_the_commands_own(lower: Path) -> None:
    fill = "head -c 10M /dev/zero >a && head -c 10M /dev/zero >/tmp/b; echo $?"
    done = run(lower, "sh", "-c", fill)
    assert done.stdout == b"1\n"
    assert b"No space left" in done.stderr
    many = "i=0; while [ $i -lt 9000 ]; do : >$i || exit 1; i=$((i + 1)); done 2>/dev/null"
    assert not run(lower, "sh", "-c", many).ok


def test_a_fork_bomb_ends_by_the_limit_and_leaves_nothing(lower: Path) -> None:
    mark = "fork-bomb-98764"
    done = run(lower, "sh", "-c", "bomb() { bomb | bomb & }; bomb; while :; do sleep 0.01; done", mark, seconds=1.5)
    assert done.timed_out or not done.ok
    assert left_over() == []
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if mark in command_line(path)]
    assert run(lower, "echo", "fine").stdout == b"fine\n"


def command_line(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it ended while we looked


def test_processes_are_counted_and_threads_as_well(lower: Path) -> None:
    flood = "i=0; while [ $i -lt 60 ]; do sleep 9 & i=$((i + 1)); done; echo all"
    assert b"all" not in run(lower, "sh", "-c", flood).stdout
    below = "i=0; while [ $i -lt 30 ]; do sleep 9 & i=$((i + 1)); done; echo all"
    assert run(lower, "sh", "-c", below).stdout == b"all\n"


def test_no_core_is_dumped_and_files_and_descriptors_are_bounded(lower: Path) -> None:
    done = run(lower, "sh", "-c", "ulimit -c; ulimit -n; ulimit -s; ulimit -f; ulimit -v; ulimit -c unlimited")
    assert done.stdout.split() == [b"0", b"4096", b"8192", str(16 << 11).encode(), str(256 << 10).encode()]
    assert not done.ok


def test_groups_are_found_in_both_generations(tmp_path: Path) -> None:
    v1, v2, proc = tmp_path / "v1", tmp_path / "v2", tmp_path / "proc"
    for folder in (v1 / "memory/own", v1 / "pids", v2 / "user.slice/session", proc):
        folder.mkdir(parents=True)
    for folder in (v1 / "memory/own", v1 / "memory", v1 / "pids", v2, v2 / "user.slice", v2 / "user.slice/session"):
        (folder / "cgroup.procs").write_text("")
    mounts = (
        "30 23 0:28 / {v1}/memory rw - cgroup cgroup rw,memory\n31 23 0:28 / {v1}/pids rw - cgroup cgroup rw,pids\n"
    )
    (proc / "mountinfo").write_text(mounts.format(v1=v1))
    (proc / "cgroup").write_text("9:name=systemd:/\n8:pids:/\n4:memory:/own\n0::/\n")
    assert find(proc) == (Hierarchy(v1 / "memory/own", 1, ("memory",)), Hierarchy(v1 / "pids", 1, ("pids",)))

    (proc / "mountinfo").write_text(f"32 23 0:28 / {v2} rw,nosuid - cgroup2 cgroup2 rw\n")
    (proc / "cgroup").write_text("0::/user.slice/session\n")
    assert find(proc) == ()
    (v2 / "user.slice/cgroup.subtree_control").write_text("cpu memory pids\n")
    assert find(proc) == (Hierarchy(v2 / "user.slice", 2, ("memory", "pids")),)
    group = Group(find(proc))
    (folder,) = group.folders
    group.limit(memory_bytes=1 << 20, processes=7)
    written = {path.name: path.read_text() for path in folder.iterdir()}
    assert written == {"memory.max": "1048576", "pids.max": "7"}
    for path in folder.iterdir():
        path.unlink()
    group.remove()
    assert not folder.exists()
