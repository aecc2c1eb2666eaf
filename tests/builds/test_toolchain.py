"""Tools are found and identified on the host, and below a root file system as they will be seen inside of it."""

from pathlib import Path

import pytest

from greenloop.builds.toolchain import find_tool, identify, inside
from greenloop.records import EnvironmentFault


def program(at: Path, text: str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_text(text)
    at.chmod(mode)
    return at


def test_absolute_links_lead_below_the_root(tmp_path: Path) -> None:
    real = program(tmp_path / "usr/bin/tool.opt")
    (tmp_path / "etc/alternatives").mkdir(parents=True)
    (tmp_path / "etc/alternatives/tool").symlink_to("/usr/bin/tool.opt")
    (tmp_path / "usr/bin/tool").symlink_to("/etc/alternatives/tool")
    (tmp_path / "bin").symlink_to("usr/bin")
    assert find_tool("tool", "", "/usr/local/bin:/bin", tmp_path) == real


def test_a_link_cannot_climb_out_of_the_root(tmp_path: Path) -> None:
    program(tmp_path / "secret")
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin/tool").symlink_to("../../../secret")
    assert inside(root, "/bin/tool") is None
    program(root / "secret", "mine")
    assert inside(root, "/bin/tool") == root / "secret"


def test_links_in_a_circle_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert inside(tmp_path, "a") is None


def test_what_cannot_be_executed_is_no_tool(tmp_path: Path) -> None:
    program(tmp_path / "bin/tool", mode=0o644)
    with pytest.raises(EnvironmentFault, match="tool: not found in the root file system"):
        find_tool("tool", "make the image again", "/bin", tmp_path)


def test_a_root_is_the_same_wherever_it_lies(tmp_path: Path) -> None:
    here, there = (program(tmp_path / name / "bin/tool") for name in ("here", "there"))
    assert identify(here, tmp_path / "here") == identify(there, tmp_path / "there")
    program(there, "another")
    assert identify(here, tmp_path / "here") != identify(there, tmp_path / "there")
