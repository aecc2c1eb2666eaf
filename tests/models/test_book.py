"""The book of models: versions, the default and the way back, by several processes and through kills."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from greenloop.models.book import Book, Made
from greenloop.models.versions import Figure, Lineage, Scored
from greenloop.records import InputError, ModelError, RecordError

NOWHERE = Lineage(origin="gguf")


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "models")


def gguf(tmp_path: Path, text: str) -> Path:
    """Write a file; the book keeps files, it does not look into them."""
    path = tmp_path / f"{text}.gguf"
    path.write_text(text)
    return path


def add(book: Book, tmp_path: Path, name: str, text: str) -> str:
    return book.add(name, Made(adapter=gguf(tmp_path, text)), NOWHERE, now=1.0).reference


def scored(*, blocked: bool = False, dataset: str = "d", value: float = 0.5) -> Scored:
    figures = (Figure(name="fixed@1", value=value, tasks=10),)
    return Scored(
        time=2.0, dataset=dataset, greedy=1, sampled=0, figures=figures, blocked=blocked, why="loops" * blocked
    )


def files(tmp_path: Path) -> list[str]:
    return sorted(path.read_text() for path in (tmp_path / "models/files").iterdir())


def test_versions_of_a_name(book: Book, tmp_path: Path) -> None:
    assert book.current() == "local"
    assert add(book, tmp_path, "fixer", "one") == "own:fixer@1"
    assert add(book, tmp_path, "fixer", "two") == "own:fixer@2"
    assert add(book, tmp_path, "other", "one") == "own:other@1"
    assert book.find("fixer").reference == book.find("own:fixer@2").reference == "own:fixer@2"
    assert book.find("fixer@1").version.bytes == 3
    paths = book.paths(book.find("fixer@1").version)
    assert paths.model is None
    assert paths.adapter is not None
    assert paths.adapter.read_text() == "one"
    assert files(tmp_path) == ["one", "two"], "equal files are kept once"
    assert book.current() == "local", "adding chooses nothing"


@pytest.mark.parametrize(
    "name", ["local", "default", "own", "openai", "scripted", "", "A", "a/b", "../x", "a@1", "a:b"]
)
def test_names_that_cannot_be(book: Book, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        add(book, tmp_path, name, "one")
    assert not (tmp_path / "models").exists()


def test_what_is_not_there_lists_what_is(book: Book, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        book.find("fixer")
    assert "greenloop models add" in caught.value.way_out
    add(book, tmp_path, "fixer", "one")
    with pytest.raises(InputError, match=r"fixer@9.*there are: fixer@1"):
        book.find("fixer@9")


def test_the_way_back(book: Book, tmp_path: Path) -> None:
    for text in ("one", "two", "three"):
        add(book, tmp_path, "fixer", text)
    other = Book(tmp_path / "models")
    for number in (1, 2, 2, 3):
        book.use(f"fixer@{number}", now=3.0)
        assert other.current() == f"own:fixer@{number}", "another process sees it at once"
    assert [book.rollback(now=4.0) for _ in range(3)] == ["own:fixer@2", "own:fixer@1", "local"]
    assert other.current() == "local"
    with pytest.raises(InputError, match="nothing to go back from"):
        book.rollback(now=5.0)
    told = [(one.what, one.model) for one in book.page().history]
    assert told[3:] == [
        ("use", "own:fixer@1"), ("use", "own:fixer@2"), ("use", "own:fixer@3"),
        ("rollback", "own:fixer@2"), ("rollback", "own:fixer@1"), ("rollback", "local"),
    ]  # fmt: skip


def test_a_blocked_version_is_never_the_default(book: Book, tmp_path: Path) -> None:
    for text in ("one", "two", "three"):
        add(book, tmp_path, "fixer", text)
    book.score("fixer@3", scored(blocked=True))
    with pytest.raises(InputError, match=r"own:fixer@3 may not become the default: loops"):
        book.use("fixer", now=3.0)
    for number in (1, 2):
        book.use(f"fixer@{number}", now=3.0)
    book.score("fixer@3", scored(dataset="other", value=0.9))
    with pytest.raises(InputError, match="may not become"):
        book.use("fixer", now=3.0)
    book.score("fixer@3", scored(value=0.7))
    book.use("fixer", now=3.0)
    book.score("fixer@2", scored(blocked=True))
    assert book.rollback(now=4.0) == "own:fixer@1", "what was blocked since is passed over"


def test_scores_of_the_same_occasion_replace_each_other(book: Book, tmp_path: Path) -> None:
    add(book, tmp_path, "fixer", "one")
    for one in (scored(value=0.1), scored(dataset="e", value=0.2), scored(value=0.3)):
        book.score("fixer", one)
    kept = book.find("fixer").version.scores
    assert [(one.dataset, one.figures[0].value) for one in kept] == [("e", 0.2), ("d", 0.3)]


def test_removing(book: Book, tmp_path: Path) -> None:
    for text in ("one", "two", "three"):
        add(book, tmp_path, "fixer", text)
    book.use("fixer@1", now=3.0)
    book.use("fixer@2", now=3.0)
    for name in ("fixer", "fixer@2"):
        with pytest.raises(InputError, match="own:fixer@2 is the default"):
            book.remove(name, now=4.0)
    assert [entry.reference for entry in book.remove("fixer@1", now=4.0)] == ["own:fixer@1"]
    assert files(tmp_path) == ["three", "two"]
    assert book.rollback(now=5.0) == "local", "what was removed cannot be gone back to"
    assert len(book.remove("fixer", now=6.0)) == 2
    assert files(tmp_path) == []
    assert add(book, tmp_path, "fixer", "one") == "own:fixer@4", "a number means one version for ever"


def test_a_file_that_is_gone_is_named(book: Book, tmp_path: Path) -> None:
    add(book, tmp_path, "fixer", "one")
    entry = book.find("fixer")
    (tmp_path / f"models/files/{entry.version.adapter}.gguf").unlink()
    with pytest.raises(ModelError, match="a file of the book of models is gone"):
        book.paths(entry.version)


def test_a_book_that_cannot_be_read(book: Book, tmp_path: Path) -> None:
    add(book, tmp_path, "fixer", "one")
    content = (tmp_path / "models/book.json").read_bytes()
    for damaged in (content[:50], b"\xff", b"{}", content.replace(b'"version":1', b'"version":2')):
        (tmp_path / "models/book.json").write_bytes(damaged)
        with pytest.raises(RecordError):
            book.current()
        with pytest.raises(RecordError):
            add(book, tmp_path, "fixer", "two")
        assert (tmp_path / "models/book.json").read_bytes() == damaged, "what cannot be read is not overwritten"


def _add_many(folder: Path, scratch: Path, name: str) -> None:
    book = Book(folder)
    for number in range(10):
        path = scratch / f"{name}-{number}.gguf"
        path.write_text(f"{name} {number}")
        book.use(book.add(name, Made(adapter=path), NOWHERE, now=1.0).reference, now=1.0)


def test_processes_at_once(book: Book, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=_add_many, args=(tmp_path / "models", tmp_path, name)) for name in ("a", "a", "b")
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    page = book.page()
    assert [one.number for one in page.models["a"]] == list(range(1, 21))
    assert [one.number for one in page.models["b"]] == list(range(1, 11))
    assert len(page.chosen) == 30
    assert len(files(tmp_path)) == 20


ENDLESS = """
    import sys, itertools
    from pathlib import Path
    from greenloop.models.book import Book, Made
    from greenloop.models.versions import Lineage
    book, scratch = Book(Path(sys.argv[1])), Path(sys.argv[2])
    print("ready", flush=True)
    for number in itertools.count():
        (scratch / "x.gguf").write_text("x" * 100_000 + str(number))
        made = Made(adapter=scratch / "x.gguf")
        name = book.add("fixer", made, Lineage(origin="gguf"), now=1.0).reference
        book.use(name, now=1.0)
        if number % 2:
            book.rollback(now=1.0)
            book.remove(name, now=1.0)
"""


def test_a_kill_at_any_moment_leaves_a_whole_book(book: Book, tmp_path: Path) -> None:
    for turn in range(8):
        words = [sys.executable, "-c", textwrap.dedent(ENDLESS), str(tmp_path / "models"), str(tmp_path)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
            time.sleep(0.05 + 0.037 * turn)
            os.kill(worker.pid, signal.SIGKILL)
        page = book.page()
        for versions in page.models.values():
            for version in versions:
                path = book.paths(version).adapter
                assert path is not None
                assert path.stat().st_size == version.bytes
        assert book.current() == "local" or book.find(book.current())
    add(book, tmp_path, "last", "one")
    named = {version.adapter for versions in book.page().models.values() for version in versions}
    assert {path.stem for path in (tmp_path / "models/files").iterdir()} == named, "the next change clears up"
    assert not [path for path in (tmp_path / "models").iterdir() if path.name.startswith(".")]
