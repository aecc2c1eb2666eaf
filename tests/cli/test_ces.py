"""What ``greenloop ces`` makes of its options and settings, without starting anything."""

import re
from pathlib import Path
from typing import Any

import pytest

from greenloop.ces.tokens import Tokens
from greenloop.cli.ces_places import alone, announce, is_free, running, socket_path, tokens
from greenloop.cli.ces_service import Sources, database, head
from greenloop.cli.ces_show import show_builds, show_evaluation
from greenloop.cli.config import CesSettings, Config
from greenloop.cli.home import Home
from greenloop.records import (
    Category,
    Diagnostic,
    Evaluation,
    InputError,
    Severity,
    Span,
    Stage,
    StageResult,
    Status,
    TestResult,
    TestStatus,
    Timings,
    WarmBuild,
)

TOKEN = "a-token-for-the-tests-0123456789"


def settings(**ces: Any) -> Config:
    return Config(ces=CesSettings(**ces))


def test_repositories_have_names(tmp_path: Path) -> None:
    for name in ("one", "two.git"):
        (tmp_path / name).mkdir()
    found = Sources.parse([f"first={tmp_path}/one", f"{tmp_path}/two.git"], [f"old={tmp_path}/old.pack"])
    assert found.repositories == {"first": tmp_path / "one", "two": tmp_path / "two.git"}
    assert found.packs == {"old": tmp_path / "old.pack"}
    for repositories, packs in (
        ([f"{tmp_path}/one", f"one={tmp_path}/two.git"], []),
        ([f"{tmp_path}/three"], []),
        ([], ["no-name"]),
    ):
        with pytest.raises(InputError):
            Sources.parse(repositories, packs)


def test_one_service_a_home(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert is_free(home)
    with alone(home):
        assert not is_free(home)
        assert (home.ces.stat().st_mode & 0o777) == 0o700
        announce(home, "unix:/x", {"calc": tmp_path})
        assert running(home)["address"] == "unix:/x"
        with pytest.raises(InputError, match="is running"), alone(home):
            pass
        assert running(home)["address"] == "unix:/x", "the refused one changed nothing"
    assert is_free(home)
    assert running(home) == {}
    # what one that was killed said of itself does not outlive it
    announce(home, "unix:/x", {})
    with alone(home):
        assert running(home) == {}


def test_tokens_come_from_a_file_or_the_environment(tmp_path: Path) -> None:
    assert tokens(settings(token_variable="GREENLOOP_TEST_NO_SUCH_TOKEN"), None) is None
    file = tmp_path / "tokens"
    file.write_text(f"ann {TOKEN}\n")
    file.chmod(0o640)
    with pytest.raises(InputError, match="others may read"):
        tokens(settings(), file)
    file.chmod(0o600)
    found = tokens(settings(token_file=str(file)), None)
    assert isinstance(found, Tokens)
    assert found.first == TOKEN


def test_where_things_are(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert socket_path(home, settings()) == tmp_path / "ces" / "ces.sock"
    assert socket_path(home, settings(socket="/run/x.sock")) == Path("/run/x.sock")
    assert database(home, settings()) == tmp_path / "ces" / "ces.db"
    assert database(home, settings(database="postgresql://db/ces")) == "postgresql://db/ces"
    (tmp_path / ".hg").mkdir()
    assert head(tmp_path) == "tip"


def test_an_evaluation_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    show_evaluation(
        Evaluation(
            id="a" * 64,
            status=Status.RED,
            reason="hack",
            note="green, but with what this task refuses: exit",
            stage=Stage.TESTS,
            stages=(StageResult(stage=Stage.TYPES, status=Status.GREEN, seconds=0.25),),
            diagnostics=(
                Diagnostic(
                    severity=Severity.ERROR,
                    category=Category.TYPE,
                    message="This [expression] has \x1b[31mtype",
                    path="lib/a.ml",
                    span=Span(line=3, column=4, end_line=3, end_column=5),
                ),
                Diagnostic(severity=Severity.WARNING, category=Category.OTHER, message="only a warning"),
            ),
            tests=(
                TestResult(name="one", status=TestStatus.PASSED),
                TestResult(name="two", status=TestStatus.FAILED),
                TestResult(name="three", status=TestStatus.FAILED),
            ),
            flaky=("three",),
            flags=("exit",),
            restored=("test/t.ml",),
            timings=Timings(total_ms=312.4, queued_ms=20),
        )
    )
    told = capsys.readouterr().out
    for words in (
        "red  hack at tests",
        "exit",
        "green, but with what this task refuses",
        "lib/a.ml:3:5: error: This [expression] has \\x1b[31mtype",
        "tests: 1 passed, 2 failed",
        "✗ two\n",
        "✗ three (flaky, not counted)",
        "put back: test/t.ml",
        "312 ms in all, 20 ms of it waiting: types 250 ms",
    ):
        assert words in told
    assert "only a warning" not in told
    assert "\x1b" not in told


def test_builds_are_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    show_builds(
        [WarmBuild(revision="calc@main", tree="a" * 40, state="red", bytes=3 << 20, seconds=1.5, uses=7, note="no [x]")]
    )
    told = capsys.readouterr().out
    assert re.search(r"calc@main\s+red\s+3 MiB\s+1\.5 s\s+0\s+7\s+no \[x\]", told)
    show_builds([])
    assert "No warm builds" in capsys.readouterr().out
