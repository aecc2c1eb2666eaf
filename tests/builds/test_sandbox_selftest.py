"""The sandbox tries itself, and says the way out of what is missing."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from greenloop.builds.sandbox import Limits, bubblewrap, seccomp, self_test, selftest
from greenloop.builds.sandbox.advice import DOCTOR, advise, user_namespaces
from greenloop.cli.ces_service import demand_layers
from greenloop.records import InfrastructureError


def test_every_layer_holds_here_and_nothing_is_left(tmp_path: Path) -> None:
    reports = self_test(tmp_path)
    assert [report for report in reports if not report.ok] == []
    names = {report.name for report in reports}
    assert {"bubblewrap", "user namespaces", "overlay", "no network", "host out of reach", "process limit"} <= names
    assert all(report.detail for report in reports)
    assert list(tmp_path.iterdir()) == []


def _arguments(*, drop: tuple[str, ...] = (), add: tuple[str, ...] = ()) -> Callable[..., Iterator[str]]:
    real = bubblewrap._root_arguments

    def changed(*given: Any) -> Iterator[str]:
        yield from add
        yield from (word for word in real(*given) if word not in drop)

    return changed


_ALLOW_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)
_BROKEN: dict[str, tuple[object, str, object, set[str]]] = {
    "the network is shared": (
        bubblewrap,
        "_root_arguments",
        _arguments(
            drop=("--unshare-all",), add=("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts")
        ),
        {"no network"},
    ),
    "a file of the host shows": (
        bubblewrap, "_root_arguments", _arguments(add=("--ro-bind", "/etc/hostname", "/etc/hostname")),
        {"host out of reach"},
    ),
    "the filter lets all through": (seccomp, "program", lambda: _ALLOW_ALL, {"privileges and system calls"}),
    "the limits are wide": (
        selftest, "_SMALL", Limits(), {"output cap", "memory limit", "scratch limit", "process limit"}
    ),
    "no overlay can be laid": (selftest, "_OVERLAY", "exit 1", {"overlay"}),
}  # fmt: skip


@pytest.mark.parametrize("how", _BROKEN)
def test_a_layer_that_does_not_hold_is_noticed_and_nothing_is_served(
    how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place, name, broken, layers = _BROKEN[how]
    monkeypatch.setattr(place, name, broken)
    assert {report.name for report in self_test(tmp_path) if not report.ok} == layers
    with pytest.raises(InfrastructureError, match="the sandbox does not hold"):
        demand_layers(tmp_path, None)


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
