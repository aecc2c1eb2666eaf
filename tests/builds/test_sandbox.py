"""What both sandboxes promise: a throw-away tree, commands in order, how they ended."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.builds.sandbox import Bubblewrap, Command, Completed, Limits, Sandbox, ScriptedSandbox, Unsandboxed
from greenloop.records import InfrastructureError

Maker = Callable[..., Sandbox]
KINDS: dict[str, Maker] = {"bubblewrap": Bubblewrap, "unsandboxed": Unsandboxed}


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Maker:
    return KINDS[request.param]


@pytest.fixture
def sandbox(make: Maker, tmp_path: Path) -> Sandbox:
    (tmp_path / "scratch").mkdir()
    return make(scratch=tmp_path / "scratch", limits=Limits(output_kib=64))


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    tree = tmp_path / "lower"
    write(tree, {"a/one": b"1\n", "a/two": b"2\n", "b": b"b\n"})
    (tree / "link").symlink_to("a/one")
    for path in (tree / "a/one", tree / "b"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return tree


def write(root: Path, files: dict[str, bytes]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def sh(script: str, *, seconds: float | None = None, env: dict[str, str] | None = None) -> Command:
    return Command(("sh", "-c", script), env=env or {}, seconds=seconds)


def state(root: Path) -> str:
    """Everything that a build could have changed in a tree, ctime included: nothing was even touched."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        stat = path.lstat()
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        digest.update(repr((str(path), stat.st_mode, stat.st_mtime_ns, stat.st_ctime_ns, content)).encode())
    return digest.hexdigest()


def one(sandbox: Sandbox, lower: Path, script: str, env: dict[str, str] | None = None) -> Completed:
    (done,) = sandbox.run_over(lower, delta=None, deletions=(), commands=(sh(script, env=env),))
    return done


def test_lower_is_untouched_by_changes_deletions_and_new_files(sandbox: Sandbox, lower: Path, tmp_path: Path) -> None:
    before = state(lower)
    script = "echo x >>a/one; rm b; mkdir -p c/d; echo n >c/d/new; chmod 755 a/two; mv a/two z; touch link; ls"
    done = one(sandbox, lower, script)
    assert done.ok
    assert done.stdout.split() == [b"a", b"c", b"link", b"z"]
    assert state(lower) == before
    assert list((tmp_path / "scratch").iterdir()) == []


def test_warm_mtimes_are_kept_and_the_delta_is_fresh(sandbox: Sandbox, lower: Path, tmp_path: Path) -> None:
    delta = write(tmp_path / "delta", {"b": b"new\n"})
    os.utime(delta / "b", (1_000_000_000, 1_000_000_000))
    (done,) = sandbox.run_over(
        lower, delta=delta, deletions=(), commands=(sh("stat -c %Y a/one; cat b; test b -nt a/one && echo newer"),)
    )
    assert done.stdout.split() == [b"1000000000", b"new", b"newer"]


def test_delta_and_deletions_are_seen_and_modes_kept(sandbox: Sandbox, lower: Path, tmp_path: Path) -> None:
    delta = write(tmp_path / "delta", {"a/one": b"changed\n", "c/run": b"#!/bin/sh\necho ran\n"})
    (delta / "c/run").chmod(0o755)
    (delta / "sym").symlink_to("c/run")
    commands = (sh("cat a/one; ls a; ./sym"),)
    (done,) = sandbox.run_over(lower, delta=delta, deletions=("a/two", "not/there"), commands=commands)
    assert done.stdout == b"changed\none\nran\n"


def test_a_link_in_the_tree_is_never_written_through(sandbox: Sandbox, lower: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"keep": b"kept\n", "target": b"kept\n"})
    (lower / "out").symlink_to(outside)
    (lower / "b").unlink()
    (lower / "b").symlink_to(outside / "target")
    delta = write(tmp_path / "delta", {"b": b"new\n", "out/target": b"new\n"})
    (done,) = sandbox.run_over(lower, delta=delta, deletions=("out/keep",), commands=(sh("cat b out/target; ls out"),))
    assert done.stdout == b"new\nnew\ntarget\n"
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == {"keep": b"kept\n", "target": b"kept\n"}


def test_files_and_folders_change_places(sandbox: Sandbox, lower: Path, tmp_path: Path) -> None:
    delta = write(tmp_path / "delta", {"a": b"a file now\n", "b/inner": b"a folder now\n"})
    commands = (sh("cat a b/inner; find . | sort | tr '\\n' ' '"),)
    (done,) = sandbox.run_over(lower, delta=delta, deletions=("a/one", "a/two", "b"), commands=commands)
    assert done.stdout == b"a file now\na folder now\n. ./a ./b ./b/inner ./link "


def test_commands_see_what_earlier_ones_wrote(sandbox: Sandbox, lower: Path) -> None:
    done = sandbox.run_over(lower, delta=None, deletions=(), commands=(sh("echo 1 >new"), sh("cat new")))
    assert [result.stdout for result in done] == [b"", b"1\n"]


def test_stops_at_the_first_failure_unless_told(sandbox: Sandbox, lower: Path) -> None:
    commands = (sh("echo a"), sh("echo b; exit 3"), sh("kill -TERM $$"), sh("sleep 60", seconds=0.2), sh("echo c"))
    short = sandbox.run_over(lower, delta=None, deletions=(), commands=commands)
    assert [result.exit_status for result in short] == [0, 3]
    full = sandbox.run_over(lower, delta=None, deletions=(), commands=commands, keep_going=True)
    assert [result.exit_status for result in full] == [0, 3, 143, None, 0]
    assert [result.timed_out for result in full] == [False, False, False, True, False]
    assert [result.stdout for result in full] == [b"a\n", b"b\n", b"", b"", b"c\n"]


def test_no_commands_is_no_result(sandbox: Sandbox, lower: Path) -> None:
    assert sandbox.run_over(lower, delta=None, deletions=(), commands=()) == ()


def test_outputs_are_apart_and_input_is_empty(sandbox: Sandbox, lower: Path) -> None:
    done = one(sandbox, lower, "cat; echo out; echo err >&2")
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


def test_arguments_and_environment_are_data(sandbox: Sandbox, lower: Path) -> None:
    words = ("$(touch /tmp/x)", "`id`", "a b\nc", "'\"\\", "--", "-n", "", "*", "${1}", "é")
    argv = ("/usr/bin/printf", "<%s>", *words)
    (done,) = sandbox.run_over(lower, delta=None, deletions=(), commands=(Command(argv),))
    assert done.stdout.decode() == "".join(f"<{word}>" for word in words)
    done = one(sandbox, lower, 'printf %s "$X"', {"X": "a\n--bind / / \"'"})
    assert done.stdout == b"a\n--bind / / \"'"


def test_many_arguments_of_many_commands_reach_their_own(sandbox: Sandbox, lower: Path) -> None:
    commands = [Command(("/bin/echo", *(f"{n}.{m}" for m in range(30)))) for n in range(4)]
    done = sandbox.run_over(lower, delta=None, deletions=(), commands=commands)
    assert [result.stdout.split()[-1] for result in done] == [b"0.29", b"1.29", b"2.29", b"3.29"]


def test_environment_is_fixed(sandbox: Sandbox, lower: Path) -> None:
    os.environ["GREENLOOP_TEST_SECRET"] = "secret"
    try:
        done = one(sandbox, lower, 'env; cd "$HOME" && touch here')
    finally:
        del os.environ["GREENLOOP_TEST_SECRET"]
    lines = done.stdout.decode().splitlines()
    assert done.ok
    assert "LC_ALL=C.UTF-8" in lines
    assert "TZ=UTC" in lines
    assert not any("SECRET" in line for line in lines)


def test_run_in_writes_for_good(sandbox: Sandbox, lower: Path) -> None:
    (done,) = sandbox.run_in(lower, (sh("echo warm >_build; cat a/one"),))
    assert done.stdout == b"1\n"
    assert (lower / "_build").read_text() == "warm\n"
    assert (lower / "_build").stat().st_uid == os.geteuid()


def test_a_missing_program_is_infrastructure_and_never_red(sandbox: Sandbox, lower: Path) -> None:
    with pytest.raises(InfrastructureError, match="no-such-program"):
        sandbox.run_over(lower, delta=None, deletions=(), commands=(Command(("no-such-program",)),))


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "", "a/../../x", "a\0b"])
def test_a_deletion_outside_the_tree_is_refused(sandbox: Sandbox, lower: Path, path: str) -> None:
    with pytest.raises(ValueError, match="not a path below the tree"):
        sandbox.run_over(lower, delta=None, deletions=(path,), commands=(sh("true"),))


def test_eight_runs_at_once_do_not_mix(sandbox: Sandbox, lower: Path, tmp_path: Path) -> None:
    def run(number: int) -> bytes:
        delta = write(tmp_path / f"delta{number}", {"mine": str(number).encode()})
        commands = (sh("cat mine; cat mine >>b; sleep 0.1; cat b"), sh("cat mine"))
        done = sandbox.run_over(lower, delta=delta, deletions=(), commands=commands)
        return b"".join(result.stdout for result in done)

    before = state(lower)
    with ThreadPoolExecutor(8) as pool:
        outputs = list(pool.map(run, range(24)))
    assert outputs == [f"{n}b\n{n}{n}".encode() for n in range(24)]
    assert state(lower) == before


names = st.text(st.sampled_from("ab -'\"\n\\,:$*é;&|"), min_size=1, max_size=3).filter(
    lambda name: name not in {".", ".."}
)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
trees = st.dictionaries(paths, st.binary(max_size=3), max_size=6)


def prune(files: dict[str, bytes]) -> dict[str, bytes]:
    """Drop what cannot be, a file below a file."""
    return {path: files[path] for path in files if not any(other in files for other in above(path))}


def above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def expected(lower: dict[str, bytes], delta: dict[str, bytes], deletions: list[str]) -> dict[str, bytes]:
    """The files of ``lower`` without the deletions, and those of ``delta`` over them."""
    gone = set(deletions)
    kept = {p: c for p, c in lower.items() if p not in gone and not gone & set(above(p))}
    kept = {p: c for p, c in kept.items() if not any(other in delta for other in above(p))}
    folders = {folder for p in delta for folder in above(p)}
    return {p: c for p, c in kept.items() if p not in folders} | delta


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lower_files=trees, delta_files=trees, data=st.data())
def test_any_delta_and_deletions_with_hostile_names(
    make: Maker,
    tmp_path_factory: pytest.TempPathFactory,
    lower_files: dict[str, bytes],
    delta_files: dict[str, bytes],
    data: st.DataObject,
) -> None:
    lower_files, delta_files = prune(lower_files), prune(delta_files)
    everything = sorted({*lower_files, *delta_files, *(folder for path in lower_files for folder in above(path))})
    deletions = data.draw(st.lists(st.sampled_from(everything), max_size=4)) if everything else []
    folder = tmp_path_factory.mktemp("a folder, with: odd 'name")
    lower, delta = write(folder / "lower", lower_files), write(folder / "delta", delta_files)
    commands = (sh("find . -type f -printf '%P\\0'"), sh("find . -type f -print0 | sort -z | xargs -0 -r cat"))
    listing, contents = make(scratch=folder).run_over(lower, delta=delta, deletions=deletions, commands=commands)
    files = expected(lower_files, delta_files, deletions)
    assert sorted(os.fsdecode(listing.stdout).split("\0")[:-1]) == sorted(files)
    order = sorted(files, key=lambda path: os.fsencode("./" + path))
    assert contents.stdout == b"".join(files[path] for path in order)


def test_fingerprints_tell_policies_apart(tmp_path: Path) -> None:
    sandboxes: list[Sandbox] = [
        Bubblewrap(),
        Bubblewrap(limits=Limits(memory_mib=64)),
        Bubblewrap(environment={"X": "1"}),
        Bubblewrap(read_only=[tmp_path]),
        Unsandboxed(),
        Unsandboxed(limits=Limits(wall_seconds=1)),
    ]
    assert len({sandbox.fingerprint() for sandbox in sandboxes}) == len(sandboxes)
    assert Bubblewrap(scratch=tmp_path).fingerprint() == Bubblewrap().fingerprint()
    assert [sandbox.sandboxed for sandbox in sandboxes] == [True] * 4 + [False] * 2


def test_the_scripted_sandbox_answers_by_script(tmp_path: Path) -> None:
    def script(folder: Path, command: Command) -> Completed:
        status = 1 if command.argv == ("bad",) else 0
        return Completed(status, folder.name.encode(), b"", 0.0, timed_out=False, truncated=False)

    scripted = ScriptedSandbox(script)
    commands = [Command(("good",)), Command(("bad",)), Command(("late",))]
    done = scripted.run_over(tmp_path, delta=None, deletions=(), commands=commands)
    assert [result.exit_status for result in done] == [0, 1]
    assert scripted.asked == commands[:2]
