"""``greenloop aid`` as a person uses it, and as an editor does."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.cli.conftest import PATIENCE, Run, command_of


def _status(aid: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(aid("status", "--json").stdout)
    return found


def test_it_is_started_asked_and_stopped(aid: Run, home: Path) -> None:
    assert aid("status").returncode == 1
    assert "no sidecar runs" in aid("status").stdout
    assert "no sidecar of this home has run yet" in aid("logs").stderr
    assert aid("start").returncode == 0
    found = _status(aid)
    assert found["running"]
    assert found["socket"] == str(home / "aid" / "aid.sock")
    assert found["version"] == found["installed"]
    # starting what runs is no second one
    assert f"process {found['pid']} listens" in aid("start").stdout
    assert f"process {found['pid']} since" in aid("status").stdout
    assert f"session {found['session']}: ready" in aid("logs").stdout
    assert aid("logs", "-n", "0").stdout == ""
    assert aid("stop").stdout == "ended\n"
    assert aid("stop").stdout == "no sidecar runs\n"
    assert json.loads(aid("status", "--json").stdout) == {
        "running": False, "installed": found["installed"], "socket": found["socket"], "log": found["log"]
    }  # fmt: skip


def test_a_restart_is_another_one_also_where_the_old_one_hangs(aid: Run) -> None:
    aid("start")
    first = _status(aid)
    assert aid("restart").returncode == 0
    second = _status(aid)
    assert second["session"] != first["session"]
    os.kill(second["pid"], signal.SIGSTOP)
    assert aid("restart").returncode == 0
    assert _status(aid)["session"] != second["session"]


def test_the_socket_lies_where_the_session_has_a_place_for_it(aid: Run, home: Path) -> None:
    runtime = home / "run"
    runtime.mkdir(mode=0o700)
    aid("start", env={"XDG_RUNTIME_DIR": str(runtime)})
    # found also by whoever lacks the variable, such as a shell over ssh: there is one a home
    found = _status(aid)
    assert found["running"]
    assert Path(found["socket"]).is_relative_to(runtime / "greenloop")
    assert Path(found["socket"]).parent.stat().st_mode & 0o777 == 0o700


def test_settings_are_the_homes(aid: Run, home: Path) -> None:
    (home / "greenloop.toml").write_text("[aid]\nidle_minutes = 0.002\n")
    aid("start")
    log = home / "aid" / "aid.log"
    deadline = time.monotonic() + PATIENCE
    while "nobody needed it for 0.12 seconds" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (home / "greenloop.toml").write_text("[aid]\nidle_minutes = -1\n")
    failed = aid("start")
    assert failed.returncode == 1
    assert "aid.idle_minutes" in failed.stderr


def test_an_editor_connects_by_stdio(aid: Run, home: Path) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"client": "editor"}})
    process = subprocess.Popen(
        command_of(home, "aid", "connect"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
    process.stdin.flush()
    length = int(process.stdout.readline().split()[1])
    process.stdout.readline()
    answer = json.loads(process.stdout.read(length))
    assert answer["result"]["pid"] == _status(aid)["pid"]
    assert _status(aid)["clients"] == ["editor"]
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def test_bad_input_is_told(aid: Run, home: Path) -> None:
    missing = aid("trust", str(home / "nowhere"))
    assert missing.returncode == 2
    assert "no such folder" in missing.stderr
    long = subprocess.run(
        command_of(home / ("x" * 120), "aid", "start"),
        env={name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert long.returncode == 1
    assert "XDG_RUNTIME_DIR" in long.stderr


def test_a_second_home_has_a_sidecar_of_its_own(aid: Run, home: Path) -> None:
    aid("start")
    other = home / "other"
    command = command_of(other, "aid")
    try:
        assert subprocess.run([*command, "start"], capture_output=True, check=False).returncode == 0
        found = json.loads(subprocess.run([*command, "status", "--json"], capture_output=True, check=False).stdout)
        assert found["pid"] != _status(aid)["pid"]
    finally:
        subprocess.run([*command, "stop"], capture_output=True, check=False)
