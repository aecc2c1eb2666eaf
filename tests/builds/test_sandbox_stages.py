"""Commands that start afresh, runs that are stopped, and sessions that stay: in both sandboxes alike."""

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from greenloop.builds.sandbox import Bubblewrap, Command, Completed, Limits, Sandbox, ScriptedSandbox, Unsandboxed
from greenloop.builds.sandbox.cgroup import find
from greenloop.builds.stop import Stop
from greenloop.records import Cancelled, InfrastructureError

Maker = Callable[..., Sandbox]
KINDS: dict[str, Maker] = {"bubblewrap": Bubblewrap, "unsandboxed": Unsandboxed}


@pytest.fixture(params=KINDS)
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Sandbox:
    (tmp_path / "scratch").mkdir()
    return KINDS[request.param](scratch=tmp_path / "scratch", limits=Limits(output_kib=4))


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    tree = tmp_path / "lower"
    for name, text in (("src/a", "a\n"), ("_build/warm/old", "old\n"), ("_build/top", "top\n"), ("test", "true\n")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    return tree


def sh(script: str, fresh: tuple[str, ...] | None = None, seconds: float | None = None) -> Command:
    return Command(("sh", "-c", script), fresh=fresh, seconds=seconds)


def over(sandbox: Sandbox, lower: Path, *commands: Command, delta: Path | None = None) -> list[str]:
    done = sandbox.run_over(lower, delta=delta, deletions=(), commands=commands)
    assert all(result.ok for result in done), done
    return [result.stdout.decode() for result in done]


SHOW = "find . -type f | sort | tr '\\n' ' '; cat _build/* test 2>/dev/null | tr '\\n' ' '"


def left_over() -> list[Path]:
    return [path for hierarchy in find() for path in hierarchy.folder.glob(f"greenloop-{os.getpid()}-*")]


def test_a_fresh_command_sees_the_tree_as_laid_out_and_the_products(
    sandbox: Sandbox, lower: Path, tmp_path: Path
) -> None:
    delta = tmp_path / "delta"
    delta.mkdir()
    (delta / "new").write_text("delta\n")
    build = (
        "echo built >_build/exe; rm -r _build/warm; mkdir _build/warm; echo fresh >_build/warm/new; echo hacked >test;"
        ' rm src/a; echo stray >stray; echo x >"$HOME/x"; echo x >"$TMPDIR/x"; echo hacked >new'
    )
    show = f'{SHOW}; cat new; ls -A "$HOME"'
    _, seen = over(sandbox, lower, sh(build), sh(show, ("_build",)), delta=delta)
    assert seen == ("./_build/exe ./_build/top ./_build/warm/new ./new ./src/a ./test built top true delta\n")
    assert (lower / "_build/warm/old").exists()


def test_a_fresh_command_is_told_on_for_what_it_rewrote(lower: Path) -> None:
    """Not for what it added outside of closed folders; what it put back counts, and no folder of its own hides any."""
    build = (
        "mkdir -p _build/d/e && echo old >'_build/\udcff' && for name in a b c d/e/f; do echo old >_build/$name; done;"
        "chmod 400 _build/a"
    )
    change = (
        "rm _build/a; echo new >_build/a; echo old >_build/b; rm _build/c; echo more >_build/more;"
        "rm -r _build/d; mkdir -p _build/d/e; echo old >_build/d/e/f; echo hacked >test; chmod 000 _build/b;"
        "mkdir -p shut/in open; echo x >shut/in/x; echo x >open/x; echo x >'_build/\udcff'"
    )
    for fresh in (("_build",), None):
        built, tested = Bubblewrap().run_over(
            lower, delta=None, deletions=(), commands=[sh(build), replace(sh(change, fresh), closed=("shut/in",))]
        )
        assert built.rewritten == ()
        assert tested.ok
        # a folder made anew hides what was in it, whatever it holds now
        told = ("_build/\\xff", "_build/a", "_build/b", "_build/c", "_build/d", "shut/in", "test")
        assert tested.rewritten == (told if fresh else ())


def test_without_products_a_fresh_command_starts_from_the_beginning(sandbox: Sandbox, lower: Path) -> None:
    _, seen = over(sandbox, lower, sh("echo built >_build/exe; rm test"), sh(SHOW, ()))
    assert seen == "./_build/top ./_build/warm/old ./src/a ./test top true "


def test_a_product_that_was_removed_is_gone_and_may_be_a_link(sandbox: Sandbox, lower: Path) -> None:
    _, seen = over(sandbox, lower, sh("rm -r _build; ln -s src out"), sh(f"{SHOW}; cat out/a", ("_build", "out")))
    assert seen == "./src/a ./test true a\n"


def test_fresh_commands_follow_each_other(sandbox: Sandbox, lower: Path) -> None:
    commands = (
        sh("echo 1 >_build/one; mkdir more; echo m >more/m"),
        sh("cat _build/one more/m; echo 2 >_build/two; echo x >x", ("_build", "more")),
        sh("cat x _build/two; echo 3 >_build/three"),
        sh("ls _build; ls", ("_build",)),
        sh("ls _build; ls", ()),
    )
    seen = over(sandbox, lower, *commands)
    assert seen[1] == "1\nm\n"
    assert seen[2] == "x\n2\n"
    assert seen[3].split() == ["one", "three", "top", "two", "warm", "_build", "src", "test"]
    assert seen[4].split() == ["top", "warm", "_build", "src", "test"]


def test_freshness_has_names_only_and_needs_layers(sandbox: Sandbox, lower: Path) -> None:
    for product in ("", "..", "a/b", "/etc", "a\0"):
        with pytest.raises(ValueError, match="name of a product"):
            sandbox.run_over(lower, delta=None, deletions=(), commands=(sh("true", (product,)),))
    with pytest.raises(ValueError, match="fresh command needs"):
        sandbox.run_in(lower, (sh("true", ()),))


def test_a_fresh_command_shares_no_memory_and_no_temporary_file(lower: Path) -> None:
    leave = "echo x >/tmp/x; echo x >/dev/shm/x; echo x >/tmp/home/x; ls -A /tmp /dev/shm /tmp/home"
    look = "ls -A /tmp /dev/shm /tmp/home"
    full, fresh, later = over(Bubblewrap(), lower, sh(leave), sh(f"{look}; echo y >/tmp/y", ()), sh(look))
    assert full.split() == ["/dev/shm:", "x", "/tmp:", "home", "x", "/tmp/home:", "x"]
    assert fresh.split() == ["/dev/shm:", "/tmp:", "home", "/tmp/home:"]
    assert later.split() == ["/dev/shm:", "/tmp:", "home", "y", "/tmp/home:"]


@pytest.mark.parametrize("how", ["run_over", "run_in"])
def test_a_stop_kills_at_once_and_leaves_nothing(sandbox: Sandbox, lower: Path, tmp_path: Path, how: str) -> None:
    def run(command: Command, stop: Stop) -> None:
        if how == "run_in":
            sandbox.run_in(lower, [command], stop=stop)
        else:
            sandbox.run_over(lower, delta=None, deletions=(), commands=[command], stop=stop)

    with Stop() as stop:
        timer = threading.Timer(0.4, stop.request)
        timer.start()
        start = time.monotonic()
        with pytest.raises(Cancelled):
            run(sh("echo started; sleep 98765 & sleep 98765", seconds=90), stop)
        timer.join()
        assert time.monotonic() - start < 30
        with pytest.raises(Cancelled):
            run(sh("touch ran"), stop)
    assert not (lower / "ran").exists()
    assert not processes("sleep\00098765")
    assert left_over() == []
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_stop_while_it_is_set_up_leaves_nothing(lower: Path) -> None:
    sandbox = Bubblewrap()
    over(sandbox, lower, sh("true"))
    for delay in (0.0, 0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03):
        with Stop() as stop:
            timer = threading.Timer(delay, stop.request)
            timer.start()
            with pytest.raises(Cancelled):
                sandbox.run_over(lower, delta=None, deletions=(), commands=[sh("sleep 98766")], stop=stop)
            timer.join()
        assert left_over() == []
    assert not processes("sleep\00098766")
    sandbox.close()


def processes(beginning: str) -> list[int]:
    """The processes of this machine whose command line begins so."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(beginning.encode()):
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
    return found


def until(condition: Callable[[], object], patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


WATCHER = "trap 'echo told' USR1; echo ready >state; while :; do cat given 2>/dev/null && rm given; sleep 0.02; done"


def test_a_session_lives_until_it_is_closed(sandbox: Sandbox, lower: Path, tmp_path: Path) -> None:
    with sandbox.open(lower, sh(WATCHER, seconds=0.05)) as session:
        until((session.work / "state").exists)
        assert (session.work / "src/a").read_text() == "a\n"
        (session.work / "given").write_text("handed over\n")
        until(lambda: b"handed over" in session.output())
        assert session.alive()
        work = session.work
    assert not session.alive()
    assert not work.exists()
    session.close()
    assert not (lower / "state").exists()
    assert left_over() == []
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_session_keeps_the_last_of_both_outputs(sandbox: Sandbox, lower: Path) -> None:
    with sandbox.open(lower, sh("echo first; head -c 300000 /dev/zero; echo err >&2; sleep 0.2; echo last")) as session:
        until(lambda: not session.alive())
        said = session.output()
    assert len(said) == 4 << 10
    assert said.endswith(b"err\nlast\n")
    assert session.output() == said


def test_a_session_may_be_opened_by_a_thread_that_ends(sandbox: Sandbox, lower: Path) -> None:
    opened = []
    thread = threading.Thread(target=lambda: opened.append(sandbox.open(lower, sh("echo on; sleep 98767"))))
    thread.start()
    thread.join()
    time.sleep(0.2)
    (session,) = opened
    assert session.alive()
    session.close()
    assert not processes("sleep\00098767")


def test_a_session_that_cannot_start_says_so(sandbox: Sandbox, lower: Path) -> None:
    def use() -> None:
        with sandbox.open(lower, Command(("no-such-program",))) as session:
            until(lambda: not session.alive())
            raise InfrastructureError(session.output().decode())

    with pytest.raises(InfrastructureError, match="no-such-program"):
        use()
    assert left_over() == []


def test_a_socket_of_a_session_is_reached_from_outside(lower: Path) -> None:
    perl = (
        "use IO::Socket::UNIX; mkdir '_build/.rpc'; "
        "my $l = IO::Socket::UNIX->new(Local => '_build/.rpc/dune', Listen => 1) or die $!;"
        "my $c = $l->accept; print $c 'hello'; close $c; sleep 60"
    )
    with Bubblewrap().open(lower, Command(("perl", "-e", perl))) as session:
        path = session.work / "_build/.rpc/dune"
        until(path.exists)
        time.sleep(0.05)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            assert client.recv(100) == b"hello"


def test_the_scripted_sandbox_is_stopped_and_holds_sessions(tmp_path: Path) -> None:
    def script(folder: Path, command: Command) -> Completed:
        return Completed(0, b"out", b"err", 0.0, timed_out=False, truncated=False)

    scripted = ScriptedSandbox(script)
    with Stop() as stop:
        stop.request()
        with pytest.raises(Cancelled):
            scripted.run_in(tmp_path, [Command(("x",))], stop=stop)
    with scripted.open(tmp_path, Command(("watch",))) as session:
        assert (session.alive(), session.output(), session.work) == (True, b"outerr", tmp_path)
    assert not session.alive()
    assert scripted.asked == [Command(("watch",))]


def test_setting_up_is_told_apart_from_running(sandbox: Sandbox, lower: Path) -> None:
    first, second = sandbox.run_over(lower, delta=None, deletions=(), commands=(sh("sleep 0.3"), sh("sleep 0.3")))
    assert first.started > 0
    assert 0 <= second.started < 0.3 <= second.seconds
