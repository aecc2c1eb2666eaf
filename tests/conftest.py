"""What the tests of several rooms share. A skipped test fails the run: what is not checked must not look checked."""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import hypothesis
import psycopg
import pytest

from greenloop.builds import images
from greenloop.records import Category, Diagnostic, Severity, Span, TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore

Greenloop = Callable[..., subprocess.CompletedProcess[str]]


# how long an example takes says what else the machine does
hypothesis.settings.register_profile("greenloop", deadline=None)
hypothesis.settings.load_profile("greenloop")


def pytest_configure() -> None:
    """Make git and hg behave alike on every machine: a known identity, and nobody's own settings."""
    os.environ["GIT_CONFIG_GLOBAL"] = os.devnull
    for role in ("AUTHOR", "COMMITTER"):
        os.environ[f"GIT_{role}_NAME"] = "Test"
        os.environ[f"GIT_{role}_EMAIL"] = "test@example.org"
    os.environ["HGUSER"] = "Test <test@example.org>"
    # a run in the background of a script, or under nohup, ignores these, and every program that it starts would too
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def unexpected_skips(reporter: pytest.TerminalReporter) -> list[pytest.TestReport]:
    """Return the skipped tests whose reason does not begin with ``expected:``."""
    return [report for report in reporter.stats.get("skipped", []) if "expected:" not in str(report.longrepr)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every unexpected skip, so that the failing run explains itself."""
    for report in unexpected_skips(terminalreporter):
        terminalreporter.write_line(f"unexpected skip: {report.nodeid}: {report.longrepr}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a green run with unexpected skips into a red one."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and unexpected_skips(reporter) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "trees")


@pytest.fixture
def write(store: TreeStore) -> Callable[[Mapping[str, str]], TreeId]:
    """Store a tree of path → text."""

    def tree(files: Mapping[str, str]) -> TreeId:
        return store.write_tree(
            {path: Entry(Mode.FILE, store.write_blob(text.encode())) for path, text in files.items()}
        )

    return tree


@pytest.fixture
def type_error() -> Callable[[str, int], Diagnostic]:
    """A type error at (path, line)."""

    def error(path: str, line: int) -> Diagnostic:
        return Diagnostic(
            severity=Severity.ERROR,
            category=Category.TYPE,
            message="This expression has type string but an expression was expected of type int",
            path=path,
            span=Span(line=line, column=12, end_line=line, end_column=15),
        )

    return error


@pytest.fixture(scope="session")
def trixie() -> images.Image:
    """The toolchain image of OCaml 5.3 and dune 3.17 that `make image` makes once, before the tests."""
    folder = Path(__file__).resolve().parent.parent / ".images" / "images"
    if "trixie" not in images.names(folder):
        pytest.fail("the toolchain image is missing: run `make image`", pytrace=False)
    return images.open(folder, "trixie")


@pytest.fixture
def greenloop(tmp_path: Path) -> Greenloop:
    """Return a function that runs ``greenloop`` with the given words, in ``cwd``."""

    def run(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "greenloop", "--home", str(tmp_path / "home"), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd or tmp_path, check=False, timeout=240)

    return run


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """Start a PostgreSQL server of these tests' own, on a Unix socket; return a function that makes empty databases.

    The function returns a URL. The server runs as a plain user: ``initdb`` refuses root.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(programs[-1]) if programs else shutil.which("initdb")
    if found is None:
        pytest.skip("expected: there is no PostgreSQL on this machine; apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    # a server outlives no test run, however that ends
    plain: list[str | Path] = ["setpriv", "--pdeathsig", "TERM"]
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        plain += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    data = folder / "data"
    made: list[str | Path] = [found, "--pgdata", data, "--no-locale", "--no-sync"]
    made += [f"--{name}" for name in ("username=greenloop", "auth=trust", "encoding=UTF8")]
    subprocess.run([*plain, *made], check=True, capture_output=True, cwd=folder)
    settings = ("listen_addresses=", "fsync=off", "max_connections=64")
    words: list[str | Path] = ["-D", data, "-k", folder, *(word for setting in settings for word in ("-c", setting))]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*plain, Path(found).with_name("postgres"), *words], stdout=log, stderr=log, cwd=folder
        )
    address = f"host={folder} user=greenloop dbname=postgres"
    try:
        _wait_for(server, address, folder / "log")
        numbers = itertools.count()

        def new() -> str:
            name = f"test_{next(numbers)}"
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            return f"postgresql://greenloop@/{name}?host={folder}"

        yield new
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait(30)
        shutil.rmtree(folder)


def _wait_for(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    for _ in range(600):
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())
