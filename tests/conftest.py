"""What the tests of several rooms share. A skipped test fails the run: what is not checked must not look checked."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from greenloop.records import Category, Diagnostic, Severity, Span, TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore

Greenloop = Callable[..., subprocess.CompletedProcess[str]]


def pytest_configure() -> None:
    """Make git and hg behave alike on every machine: a known identity, and nobody's own settings."""
    os.environ["GIT_CONFIG_GLOBAL"] = os.devnull
    for role in ("AUTHOR", "COMMITTER"):
        os.environ[f"GIT_{role}_NAME"] = "Test"
        os.environ[f"GIT_{role}_EMAIL"] = "test@example.org"
    os.environ["HGUSER"] = "Test <test@example.org>"


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


@pytest.fixture
def greenloop(tmp_path: Path) -> Greenloop:
    """Return a function that runs ``greenloop`` with the given words, in ``cwd``."""

    def run(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "greenloop", "--home", str(tmp_path / "home"), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd or tmp_path, check=False, timeout=240)

    return run
