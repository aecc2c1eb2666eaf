"""Limits of a request: they bind where they are tighter than the service's, and never loosen those."""

from collections.abc import Callable
from pathlib import Path

import pytest

from greenloop.builds.limited import tighten
from greenloop.builds.sandbox import Bubblewrap, Command, Limits
from greenloop.builds.sandbox.policy import Completed
from greenloop.builds.sandbox.scripted import ScriptedSandbox
from greenloop.records import EvaluationLimits, InputError

Run = Callable[[EvaluationLimits, str, float | None], tuple[int | None, bool, int]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a shell command under tightened limits; returns (exit status, timed out, bytes of output)."""
    folder = tmp_path / "w"
    folder.mkdir()
    sandbox = Bubblewrap(limits=Limits(wall_seconds=20, memory_mib=512, output_kib=64))

    def run(limits: EvaluationLimits, script: str, seconds: float | None) -> tuple[int | None, bool, int]:
        command = Command(("/bin/sh", "-c", script), seconds=seconds)
        (done,) = tighten(sandbox, limits).run_over(folder, delta=None, deletions=(), commands=(command,))
        return done.exit_status, done.timed_out, len(done.stdout)

    return run


@pytest.mark.parametrize("own", [None, 15.0])
def test_seconds_bind_a_command_whatever_it_names_itself(run: Run, own: float | None) -> None:
    assert run(EvaluationLimits(seconds=0.5), "sleep 10", own)[1]


def test_limits_are_never_loosened(run: Run) -> None:
    assert run(EvaluationLimits(seconds=100), "sleep 10", 0.5)[1]
    assert run(EvaluationLimits(output_kib=1 << 20), "head -c 1000000 /dev/zero", None)[2] == 64 << 10
    big = "exec python3 -c 'b = bytearray(700 << 20)'"
    assert run(EvaluationLimits(memory_mib=4096), big, None)[0] != 0


def test_memory_and_output_are_tightened(run: Run) -> None:
    assert run(EvaluationLimits(output_kib=16), "head -c 1000000 /dev/zero", None)[2] == 16 << 10
    modest = "exec python3 -c 'b = bytearray(200 << 20)'"
    assert run(EvaluationLimits(), modest, None)[0] == 0
    assert run(EvaluationLimits(memory_mib=128), modest, None)[0] != 0


def test_what_asks_for_nothing_gets_the_same_sandbox() -> None:
    scripted = ScriptedSandbox(lambda folder, command: Completed(0, b"", b"", 0, timed_out=False, truncated=False))
    assert tighten(scripted, EvaluationLimits()) is scripted
    with pytest.raises(InputError, match="no limits"):
        tighten(scripted, EvaluationLimits(seconds=1))


def test_a_hurried_sandbox_has_a_name_of_its_own() -> None:
    sandbox = Bubblewrap(limits=Limits())
    names = [tighten(sandbox, EvaluationLimits(seconds=seconds)).fingerprint() for seconds in (1, 2, 2.5)]
    assert len({sandbox.fingerprint(), *names}) == 4
