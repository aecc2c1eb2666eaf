"""Real servers: two that are not ours, over standard input and over HTTP; and programs that misbehave."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest
from tests.aid.tools.conftest import Open, Real

import greenloop
from greenloop.aid.tools.mcp_connection import McpServers
from greenloop.aid.tools.seam import Ask, Surroundings, nobody
from greenloop.aid.tools.settings import ToolServerSettings
from greenloop.builds.stop import Stop
from greenloop.records import Cancelled, InputError, ToolError

Program = Callable[[str], tuple[str, ...]]
GENEROUS = 60


def yes(_ask: Ask) -> bool:
    return True


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + GENEROUS
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def alive(marker: str) -> list[int]:
    """Return the processes whose command line holds a marker."""
    found = []
    for process in psutil.process_iter():
        try:
            if marker in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_git(real: Real, surroundings: Surroundings) -> None:
    place = surroundings.workspace
    subprocess.run(["git", "init", "-q"], cwd=place, check=True)
    (place / "a.ml").write_text("let x = 1\n")
    box = real(sys.executable, "-m", "mcp_server_git", read_only=("git_status",))
    tools = {tool.name: tool for tool in box.listed().tools}
    # the server calls them read-only, the team only the first one
    assert not tools["it.git_status"].writes
    assert tools["it.git_diff"].writes
    assert "a.ml" in box.call("it.git_status", {"repo_path": str(place)}, nobody).text
    with pytest.raises(InputError, match="nobody approved it"):
        box.call("it.git_add", {"repo_path": str(place), "files": ["a.ml"]}, nobody)
    staged = ["git", "diff", "--cached", "--name-only"]
    assert subprocess.check_output(staged, cwd=place, text=True) == ""
    box.call("it.git_add", {"repo_path": str(place), "files": ["a.ml"]}, yes)
    assert subprocess.check_output(staged, cwd=place, text=True) == "a.ml\n"
    failed = box.call("it.git_show", {"repo_path": str(place), "revision": "nothing"}, yes)
    assert failed.is_error


def test_time(real: Real) -> None:
    box = real(sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC", read_only=("convert_time",))
    asked = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    assert "T21:00:00+09:00" in box.call("it.convert_time", asked, nobody).text


@pytest.fixture
def over_http(tmp_path: Path) -> Iterator[str]:
    """Serve mcp-server-time over streamable HTTP; return its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"from mcp_server_time.server import create_server as c; c('UTC').run('streamable-http', port={port})"
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", code]
    with (tmp_path / "http.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        assert eventually(partial(_listens, port))
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.kill()
        server.wait()


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_over_http(real: Real, over_http: str) -> None:
    box = real(url=over_http)
    asked = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    assert "T21:00:00+09:00" in box.call("it.convert_time", asked, yes).text


def test_an_address_where_nobody_listens_is_named(opened: Open) -> None:
    with McpServers() as servers:
        box = opened(servers, it=ToolServerSettings(url="http://127.0.0.1:9/mcp"))
        with pytest.raises(ToolError, match="'it' does not start"):
            box.look("it")


def test_an_entry_point(real: Real, tmp_path: Path, surroundings: Surroundings, opened: Open) -> None:
    site = tmp_path / "site"
    info = site / "team_tools-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: team-tools\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[greenloop.tools]\nteam = team_tools:TOOLS\n")
    (site / "team_tools.py").write_text(
        "print('loading')\n"
        "def owner(path: str) -> str:\n"
        "    '''Says who owns a file.'''\n"
        "    print('looking')\n"
        "    return f'{path} is owned by Ann'\n"
        "TOOLS = (owner,)\n"
    )
    paths = f"{site}{os.pathsep}{Path(greenloop.__file__).parents[1]}"
    where = replace(surroundings, environment={**os.environ, "PYTHONPATH": paths})
    with McpServers() as servers:
        box = opened(servers, where, team=ToolServerSettings(entry_point="team"))
        box.pin("team", box.look("team"))
        (tool,) = box.listed().tools
        assert (tool.name, tool.described.help) == ("team.owner", "Says who owns a file.")
        assert list(tool.described.arguments["properties"]) == ["path"]
        assert box.call("team.owner", {"path": "a.ml"}, yes).text == "a.ml is owned by Ann"
        missing = opened(servers, where, other=ToolServerSettings(entry_point="other"))
        with pytest.raises(ToolError, match="no entry point 'other'"):
            missing.look("other")


def test_the_environment_is_minimal(real: Real, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os, json\n@server.tool()\ndef env() -> str:\n    return json.dumps(sorted(os.environ))"
    box = real(*program(code))
    seen = set(json.loads(box.call("it.env", {}, yes).text))
    assert {"HOME", "PATH"} <= seen
    # beside ours, what the package passes on, and what Python and bwrap set by themselves
    assert seen <= {
        "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "TMPDIR", "USER", "SHELL", "TERM", "PWD"
    }  # fmt: skip


def test_a_variable_that_is_named_is_passed_on_and_one_that_is_not_set_is_an_error(
    program: Program, surroundings: Surroundings, opened: Open
) -> None:
    code = "import os\n@server.tool()\ndef key() -> str:\n    return os.environ['TEAM_KEY']"
    settings = ToolServerSettings(command=program(code), environment=("TEAM_KEY",))
    with McpServers() as servers:
        box = opened(servers, replace(surroundings, environment={**os.environ, "TEAM_KEY": "k1"}), it=settings)
        box.pin("it", box.look("it"))
        assert box.call("it.key", {}, yes).text == "k1"
        with pytest.raises(InputError, match="TEAM_KEY is not set"):
            opened(servers, it=settings).look("it")


def test_a_result_has_a_bounded_size(real: Real, program: Program) -> None:
    box = real(*program("@server.tool()\ndef much() -> str:\n    return 'é' * 100_000"), result_kib=1)
    result = box.call("it.much", {}, yes)
    assert result.text == "é" * 512
    assert result.cut == 200_000 - 1024


def test_a_crash_is_named_and_the_server_starts_again(real: Real, program: Program, tmp_path: Path) -> None:
    code = (
        f"import os, pathlib, sys\nmark = pathlib.Path({str(tmp_path / 'crashed')!r})\n"
        "@server.tool()\ndef act() -> str:\n"
        "    if not mark.exists():\n"
        "        mark.touch()\n"
        "        print('the disk caught fire', file=sys.stderr, flush=True)\n"
        "        os._exit(3)\n"
        "    return 'done'"
    )
    box = real(*program(code))
    with pytest.raises(ToolError) as error:
        box.call("it.act", {}, yes)
    assert "'it' gave no answer to act" in str(error.value)
    assert "the disk caught fire" in str(error.value)
    assert box.call("it.act", {}, yes).text == "done"


def test_a_server_that_hangs_is_named_and_ended(real: Real, program: Program, tmp_path: Path) -> None:
    marker = str(tmp_path / "server.py")
    code = "import time\n@server.tool()\ndef sleep() -> str:\n    time.sleep(600)\n    return ''"
    box = real(*program(code), timeout_seconds=1.0)
    with pytest.raises(ToolError, match="it took too long"):
        box.call("it.sleep", {}, yes)
    assert eventually(lambda: alive(marker) == [])


def test_closing_ends_the_server(real: Real, program: Program, tmp_path: Path) -> None:
    marker = str(tmp_path / "server.py")
    box = real(*program("@server.tool()\ndef x() -> str:\n    return 'y'"))
    assert alive(marker)
    box.close()
    assert alive(marker) == []
    with pytest.raises(ToolError, match="have been ended"):
        box.call("it.x", {}, yes)


def test_a_call_is_cancelled_from_another_thread(real: Real, program: Program) -> None:
    box = real(*program("import time\n@server.tool()\ndef sleep() -> str:\n    time.sleep(600)\n    return ''"))
    with Stop() as stop:
        threading.Timer(0.5, stop.request).start()
        with pytest.raises(Cancelled):
            box.call("it.sleep", {}, yes, stop)


@pytest.mark.parametrize("command", [("no-such-program",), ("/bin/true",), ("/bin/echo", "nonsense")])
def test_what_is_no_server_is_named(opened: Open, command: tuple[str, ...]) -> None:
    with McpServers() as servers:
        box = opened(servers, it=ToolServerSettings(command=command, start_seconds=GENEROUS))
        with pytest.raises(ToolError, match=r"'it' does not start|no program 'no-such-program'"):
            box.look("it")


def test_no_server_outlives_a_kill(program: Program, tmp_path: Path) -> None:
    # the server ignores the end of its input, and has a child that does too
    code = (
        "import subprocess, sys, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', {str(tmp_path / 'child')!r}])\n"
        "@server.tool()\ndef x() -> str:\n    return ''"
    )
    command = program(code)
    Path(command[1]).write_text(Path(command[1]).read_text() + "\nimport time; time.sleep(600)\n")
    holder = tmp_path / "holder.py"
    holder.write_text(
        "import os, sys, time, pathlib\n"
        "from greenloop.aid.tools.mcp_connection import McpServers\n"
        "from greenloop.aid.tools.seam import Surroundings\n"
        "from greenloop.aid.tools.settings import ToolServerSettings\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "where = Surroundings(here, here / 'logs', dict(os.environ), trusted=True)\n"
        f"servers = McpServers()\nheld = servers('it', ToolServerSettings(command={command!r}), where)\n"
        "print('up', flush=True)\ntime.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, str(holder)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            assert alive(str(tmp_path / "server.py"))
            assert eventually(lambda: alive(str(tmp_path / "child")) != [])
        finally:
            process.send_signal(signal.SIGKILL)
    assert eventually(lambda: alive(str(tmp_path / "server.py")) == [] and alive(str(tmp_path / "child")) == [])
