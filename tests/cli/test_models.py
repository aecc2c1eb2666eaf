"""``greenloop models``: scores, what they block, and what the tables say."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from greenloop.cli.models_scores import attach
from greenloop.models.book import Book, Made
from greenloop.models.versions import Lineage
from greenloop.records import InputError, RecordError

Greenloop = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """The home's book with two versions; nobody looks into their files."""
    book = Book(tmp_path / "home/models")
    (tmp_path / "adapter.gguf").write_text("factors")
    lineage = Lineage(origin="run", run="0123456789abcdef", kind="sft", dataset="abcdef", parent="fedcba")
    for _ in range(2):
        book.add("fixer", Made(adapter=tmp_path / "adapter.gguf"), lineage, now=1.0)
    return book


def report(folder: Path, model: str, *, blocked: bool | None = None) -> Path:
    """Write an evaluation's report, as far as the book of models reads it."""
    folder.mkdir()
    score = {"name": "fixed@1", "value": 0.25, "tasks": 8, "interval": {"low": 0.1, "high": 0.5, "method": "m"}}
    settings = {"model": model, "dataset": "abcdef", "greedy": 1, "sampled": 0, "seed": 0}
    body: dict[str, object] = {"record": "EvalReport", "version": 1, "settings": settings, "scores": [score]}
    if blocked is not None:
        body["degenerate"] = {"blocked": blocked, "reasons": ["12 % put it off"] if blocked else [], "rates": {}}
    (folder / "report.json").write_text(json.dumps(body))
    return folder


def test_a_report_goes_to_the_version_that_it_is_of(book: Book, tmp_path: Path) -> None:
    kept = attach(book, report(tmp_path / "a", "own:fixer@2", blocked=False))
    assert kept is not None
    (scored,) = book.find("fixer@2").version.scores
    assert (scored.dataset, scored.greedy, scored.blocked) == ("abcdef", 1, False)
    assert [(one.name, one.value, one.low, one.tasks) for one in scored.figures] == [("fixed@1", 0.25, 0.1, 8)]
    assert book.find("fixer@1").version.scores == ()
    assert attach(book, report(tmp_path / "b", "scripted:x")) is None
    with pytest.raises(InputError, match="an evaluation of own:fixer@2, not of own:fixer@1"):
        attach(book, tmp_path / "a", book.find("fixer@1"))
    with pytest.raises(InputError, match="no model of yours is called 'own:gone@1'"):
        attach(book, report(tmp_path / "c", "own:gone@1"))


def test_reports_that_are_none(book: Book, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"report\.json: no such report"):
        attach(book, tmp_path)
    for text in ("", "[]", '{"scores": []}', "\udcff"):
        (tmp_path / "report.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(RecordError, match="no report of an evaluation"):
            attach(book, tmp_path)


def test_blocked_models_are_told_and_not_used(greenloop: Greenloop, book: Book, tmp_path: Path) -> None:
    folder = report(tmp_path / "bad", "own:fixer@2", blocked=True)
    told = greenloop("models", "score", "fixer", folder)
    assert told.returncode == 0, told.stderr
    assert "own:fixer@2 may not become the default: 12 % put it off" in told.stderr
    assert "fixed@1 25.0 % (blocked)" in told.stdout
    used = greenloop("models", "use", "fixer")
    assert used.returncode == 2
    assert "12 % put it off" in used.stderr
    assert book.current() == "local"


def test_what_the_tables_say(greenloop: Greenloop, book: Book, tmp_path: Path) -> None:
    attach(book, report(tmp_path / "good", "own:fixer@2", blocked=False))
    book.use("fixer@2", now=2.0)
    listed = greenloop("models", "list").stdout.splitlines()
    assert [line.split()[:6] for line in listed[1:3]] == [
        ["own:fixer@1", "adapter", "0.0", "MB", "sft", "01234567"],
        ["*", "own:fixer@2", "adapter", "0.0", "MB", "sft"],
    ]
    assert listed[1].endswith("not evaluated")
    assert listed[2].endswith("fixed@1 25.0 %")
    shown = greenloop("models", "show", "fixer").stdout
    assert "10.0 to 50.0 %" in shown
    assert "fedcba" in shown
    assert json.loads(greenloop("models", "show", "fixer", "--json").stdout)["default"] is True
    history = greenloop("models", "history").stdout.splitlines()
    assert [line.split()[-2:] for line in history[1:]] == [
        ["add", "own:fixer@1"], ["add", "own:fixer@2"], ["use", "own:fixer@2"],
    ]  # fmt: skip
