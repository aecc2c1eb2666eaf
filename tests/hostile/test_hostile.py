"""Hostile programs in the real sandbox: contained, judged rightly, and without a trace in the next evaluation."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.hostile.attempts import ATTEMPTS, ENDING, PREAMBLE, SPOILING
from tests.hostile.conftest import Arena, Host
from tests.hostile.programs import COMMANDS, DUNE, PYTHON, Program

from greenloop.records import Stage, Status, Suite, Verdict

WALL = (Path(__file__).parent / "wall.py").read_text("utf-8")


def attempt(host: Host, name: str) -> dict[str, str]:
    """Return the files of an attempt."""
    return {"wall.py": WALL, "host.json": json.dumps(host.known), "main.py": PREAMBLE + ATTEMPTS[name] + ENDING}


def processes() -> set[str]:
    """Return the command lines that run on this machine and that an attack left, by their marks."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", "replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        if words[:2] == [PYTHON, "main.py"] or "98765" in words:
            found.add(" ".join(words))
    return found


def unharmed(arena: Arena, host: Host | None = None) -> None:
    """Check that nothing is left, and that the next evaluation is the same, byte for byte."""
    assert processes() == set()
    assert arena.leftovers() == []
    assert arena.probe() == arena.well
    assert arena.digest() == arena.built
    if host is not None:
        assert host.visits == []
        assert host.victim.poll() is None
        assert host.secret.read_text() == "canary-5f0c1e"


def ends_as_it_should(program: Program, verdict: Verdict) -> None:
    """Check the status, the stage, the limit and what the verdict tells."""
    text = verdict.to_json()
    assert verdict.status in {program.status, *program.others}, text[:3000]
    assert verdict.stages[-1].stage is program.stage or verdict.status is not program.status, text[:3000]
    assert program.wants in text, text[:3000]
    assert not program.never or program.never not in text, text[:3000]
    assert len(text) < 16 << 20


def contained(arena: Arena, program: Program) -> None:
    """Judge a program, and then the base; the latter also says how long an evaluation takes on this machine now."""
    tree = arena.lay(program.files)
    start = time.monotonic()
    verdict = arena.judge(tree, program.suite, program.seconds)
    took = time.monotonic() - start
    ends_as_it_should(program, verdict)
    start = time.monotonic()
    unharmed(arena)
    overhead = time.monotonic() - start
    stages = 1 if verdict.stages[-1].stage is Stage.TYPES else 2
    assert verdict.status is not Status.TIMEOUT or took <= stages * program.seconds + 1 + 3 * overhead


@pytest.mark.parametrize("name", COMMANDS)
def test_a_hostile_command(command_arena: Arena, name: str) -> None:
    contained(command_arena, COMMANDS[name])


@pytest.mark.parametrize("name", DUNE)
def test_a_hostile_project(dune_arena: Arena, name: str) -> None:
    contained(dune_arena, DUNE[name])


@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_attempt_by_a_test(command_arena: Arena, host: Host, name: str) -> None:
    files = attempt(host, name) | {"run": f"exec {PYTHON} main.py"}
    verdict = command_arena.judge(command_arena.lay(files), Suite.TEST, 30)
    assert verdict.status is Status.GREEN, verdict
    unharmed(command_arena, host)


@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_attempt_by_a_rule_while_types_are_checked(dune_arena: Arena, host: Host, name: str) -> None:
    files = {f"attack/{path}": text for path, text in attempt(host, name).items()} | {
        "attack/dune": f"(rule (alias check) (deps (glob_files *)) (action (run {PYTHON} main.py)))\n"
    }
    verdict = dune_arena.judge(dune_arena.lay(files), Suite.CHECK, 30)
    assert "BREACH" not in verdict.to_json()
    assert verdict.status is Status.GREEN or name in SPOILING, verdict
    unharmed(dune_arena, host)


PLANT = """
import os, socket, time
for folder in ("/w", "/tmp", "/dev/shm"):
    open(folder + "/" + MARK, "w").write(MARK)
held = socket.socket(socket.AF_UNIX)
held.bind("\\0" + MARK)
held.listen()
server = socket.create_server(("127.0.0.1", 4711))
open("/tmp/ready", "w")
print("ok - planted", flush=True)
time.sleep(8)
"""
SEEK = """
import os, socket, time
for again in range(10):
    for at, folders, files in os.walk("/", followlinks=False):
        folders[:] = [name for name in folders if os.path.join(at, name) not in ("/usr", "/sys", "/proc/sys")]
        if any(MARK in name for name in files):
            breach(at)
    with socket.socket(socket.AF_UNIX) as one:
        refused("abstract", one.connect, "\\0" + MARK)
    refused("loopback", socket.create_connection, ("127.0.0.1", 4711), 1)
    shown = [open(f"/proc/{name}/cmdline").read() for name in os.listdir("/proc") if name.isdigit()]
    if sum("main.py" in line for line in shown) > 1:
        breach(str(shown))
    time.sleep(0.2)
"""


def test_jobs_that_run_at_the_same_time_do_not_meet(command_arena: Arena, host: Host) -> None:
    mark = 'MARK = "mark-" + "7731"\n'
    planter = command_arena.lay({"run": f"exec {PYTHON} main.py", "main.py": mark + PLANT})
    files = {"wall.py": WALL, "host.json": json.dumps(host.known), "run": f"exec {PYTHON} main.py"}
    seeker = command_arena.lay(files | {"main.py": PREAMBLE + mark + SEEK + ENDING})
    with ThreadPoolExecutor(2) as pool:
        planted = pool.submit(command_arena.judge, planter, Suite.TEST, 60)
        sought = pool.submit(command_arena.judge, seeker, Suite.TEST, 60)
        assert planted.result().status is Status.GREEN, planted.result()
        assert sought.result().status is Status.GREEN, sought.result()
    unharmed(command_arena, host)


@pytest.mark.slow
def test_ten_gigabytes_of_output(command_arena: Arena) -> None:
    """Read to its end and dropped, on both outputs at once."""
    script = "head -c 5G /dev/zero >&2 & head -c 5G /dev/zero; wait; echo; echo ok - all of it >/dev/full; exit 1"
    verdict = command_arena.judge(command_arena.lay({"run": script}), Suite.TEST, 120)
    assert verdict.status is Status.RED
    assert len(verdict.to_json()) < 1 << 20
    unharmed(command_arena)


def test_there_are_programs_enough() -> None:
    assert len(COMMANDS) + len(DUNE) >= 40
    assert len(ATTEMPTS) >= 35
