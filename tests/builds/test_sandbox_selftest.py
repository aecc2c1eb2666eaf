"""The sandbox tries itself, and says the way out of what is missing."""

from pathlib import Path

import pytest

from greenloop.builds.sandbox import self_test
from greenloop.builds.sandbox.advice import DOCTOR, advise, user_namespaces


def test_every_layer_holds_here_and_nothing_is_left(tmp_path: Path) -> None:
    reports = self_test(tmp_path)
    assert [report for report in reports if not report.ok] == []
    names = {report.name for report in reports}
    assert {"bubblewrap", "user namespaces", "overlay", "no network", "host out of reach", "process limit"} <= names
    assert all(report.detail for report in reports)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("setting", "value", "way_out"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "apparmor_restrict_unprivileged_userns=0"),
        ("kernel/unprivileged_userns_clone", "0", "unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "max_user_namespaces=10000"),
        ("user/max_user_namespaces", "100", "container"),
    ],
)
def test_the_way_to_user_namespaces_follows_the_kernels_settings(
    tmp_path: Path, setting: str, value: str, way_out: str
) -> None:
    path = tmp_path / setting
    path.parent.mkdir()
    path.write_text(f"{value}\n")
    assert way_out in user_namespaces(tmp_path)


@pytest.mark.parametrize(
    ("said", "way_out"),
    [
        ("mount: w: unknown filesystem type 'overlay'.", "5.11"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "unmasked /proc"),
        ("bwrap: execvp dune: No such file or directory", "below /usr"),
        ("something new", DOCTOR),
    ],
)
def test_a_failure_comes_with_its_way_out(said: str, way_out: str) -> None:
    assert way_out in advise(said)
