"""`greenloop tools` as a person uses it, with a real server that is not ours."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Greenloop = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "ledger"
    folder.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "the first one"], cwd=folder, check=True)
    command = json.dumps([sys.executable, "-m", "mcp_server_git"])
    (folder / "greenloop.toml").write_text(f'[tools.git]\ncommand = {command}\nread_only = ["git_log"]\n')
    return folder


def test_look_agree_and_call(greenloop: Greenloop, project: Path) -> None:
    before = greenloop("tools", "list", cwd=project)
    assert "nobody looked at it yet" in before.stdout
    refused = greenloop("tools", "call", "git.git_log", "repo_path=.", cwd=project)
    assert refused.returncode == 2
    assert "greenloop tools pin git" in refused.stderr
    pinned = greenloop("tools", "pin", "git", "--yes", cwd=project)
    assert pinned.returncode == 0, pinned.stderr
    assert "Shows the commit logs" in pinned.stdout
    listed = json.loads(greenloop("tools", "list", "--json", cwd=project).stdout)
    writes = {tool["name"]: tool["writes"] for tool in listed["tools"]}
    assert writes["git.git_log"] is False
    assert writes["git.git_status"] is True
    shown = greenloop("tools", "list", "git", cwd=project).stdout
    assert "max_count: integer (optional)" in shown
    called = greenloop("tools", "call", "git.git_log", "repo_path=.", "max_count=1", cwd=project)
    assert called.returncode == 0, called.stderr
    assert "the first one" in called.stdout
    # nobody can be asked, so what may write is not called
    written = greenloop("tools", "call", "git.git_create_branch", "repo_path=.", "branch_name=new", cwd=project)
    assert written.returncode == 2
    assert "nobody approved it" in written.stderr
    branches = ["git", "branch", "--list", "new"]
    assert subprocess.check_output(branches, cwd=project, text=True) == ""
    words = ("--yes", "--arguments", '{"repo_path": ".", "branch_name": "new"}')
    assert greenloop("tools", "call", "git.git_create_branch", *words, cwd=project).returncode == 0
    assert "new" in subprocess.check_output(branches, cwd=project, text=True)
    # what the tool itself calls a failure
    failed = greenloop("tools", "call", "git.git_show", "repo_path=.", "revision=nothing", "--yes", cwd=project)
    assert failed.returncode == 1


def test_settings_that_changed_are_looked_at_again(greenloop: Greenloop, project: Path) -> None:
    greenloop("tools", "pin", "git", "--yes", cwd=project)
    file = project / "greenloop.toml"
    file.write_text(file.read_text().replace('["git_log"]', '["git_log", "git_commit"]'))
    listed = json.loads(greenloop("tools", "list", "--json", cwd=project).stdout)
    assert listed["tools"] == []
    assert "settings changed" in listed["unavailable"]["git"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list", "other"), "no server of tools 'other'"),
        (("pin", "gti", "--yes"), "did you mean git?"),
        (("call", "git.git_log", "repo_path"), "write NAME=VALUE"),
        (("call", "git.git_log", "--arguments", "["), "--arguments: not JSON"),
        (("call", "git.git_log", "--arguments", "3"), "no JSON object"),
    ],
)
def test_bad_input_is_named(greenloop: Greenloop, project: Path, words: tuple[str, ...], said: str) -> None:
    done = greenloop("tools", *words, cwd=project)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
