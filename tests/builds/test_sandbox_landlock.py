"""Landlock is a further layer where the root's setpriv knows it, and reported as absent elsewhere."""

from pathlib import Path

import pytest

from greenloop.builds.sandbox import Bubblewrap, Command, self_test
from greenloop.builds.sandbox.landlock import absent, prefix
from greenloop.records import InfrastructureError


def test_a_root_whose_setpriv_does_not_know_it_has_none(tmp_path: Path) -> None:
    assert "util-linux" in absent(tmp_path)
    setpriv = tmp_path / "usr/bin/setpriv"
    setpriv.parent.mkdir(parents=True)
    setpriv.write_bytes(b"\x7fELF no such option")
    assert "util-linux" in absent(tmp_path)
    assert prefix(tmp_path) == ()


def test_a_root_whose_setpriv_knows_it_has_it_if_the_kernel_does(tmp_path: Path) -> None:
    setpriv = tmp_path / "usr/bin/setpriv"
    setpriv.parent.mkdir(parents=True)
    setpriv.write_bytes(b"\x7fELF\0landlock-access\0landlock-rule\0")
    assert "util-linux" not in absent(tmp_path)
    words = prefix(tmp_path)
    assert (words == ()) == bool(absent(tmp_path))
    if words:
        assert words[0] == "/usr/bin/setpriv"
        assert words[-1] == "--"
        assert "path-beneath::/w" in words
        assert "path-beneath::/" not in words


def test_the_self_test_says_whether_it_is_there_and_does_not_fail_without(tmp_path: Path) -> None:
    (report,) = [report for report in self_test(tmp_path) if report.name == "Landlock"]
    assert report.ok
    assert report.present == (absent(None) == "")
    assert report.present or absent(None) in report.detail


def test_behind_it_a_command_runs_as_ever(tmp_path: Path) -> None:
    if absent(None):
        pytest.skip(f"expected: no Landlock on this machine: {absent(None)}")
    (tmp_path / "run").write_text("#!/bin/sh\necho ran >out; cat out; exit 3\n")
    (tmp_path / "run").chmod(0o755)
    sandbox = Bubblewrap()
    (done,) = sandbox.run_over(tmp_path, delta=None, deletions=(), commands=[Command(("./run",))])
    assert (done.exit_status, done.stdout) == (3, b"ran\n")
    with pytest.raises(InfrastructureError, match="no-such-program"):
        sandbox.run_over(tmp_path, delta=None, deletions=(), commands=[Command(("no-such-program",))])
