"""Persistent checkers whose dune dies, hangs, lies or is not there: the runner is asked, and another one is started."""

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from greenloop.builds.checker import Checkers
from greenloop.builds.sandbox import Command, Completed, Unsandboxed
from greenloop.builds.stop import Stop
from greenloop.builds.warm import Warm
from greenloop.records import Cancelled, TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore

FAKE = Path(__file__).with_name("fake_dune.py")
FILES = {"lib/dune": "(library (name lib))", "lib/a.ml": "let a = 1\n", "lib/b.ml": "let b = 1\n"}


class Bench:
    """A warm tree in a folder, and checkers above it whose dune is the fake."""

    def __init__(self, root: Path, files: Mapping[str, str], *, built: bool = True, keep: int = 2) -> None:
        self.store = TreeStore(root / "store")
        self.base = self.tree(self.store.empty, files)
        self.warm = Warm(self.base, root / "warm", built)
        self.store.materialise(self.base, self.warm.folder)
        self.checkers = Checkers(Unsandboxed(scratch=root), self.store, keep=keep, rest_seconds=3.0)
        self.command = Command((sys.executable, str(FAKE)), {"PYTHONPATH": ":".join(sys.path)})

    def tree(self, base: TreeId, files: Mapping[str, str | None]) -> TreeId:
        blobs = {path: None if text is None else self.store.write_blob(text.encode()) for path, text in files.items()}
        return self.store.update(
            base, {path: None if blob is None else Entry(Mode.FILE, blob) for path, blob in blobs.items()}
        )

    def ready(self) -> bool:
        return self.checkers.warm(self.warm, self.command, lambda: nullcontext(self.warm), seconds=30)

    def check(
        self, files: Mapping[str, str | None], *, seconds: float = 30, stop: Stop | None = None
    ) -> Completed | None:
        tree = self.tree(self.base, files)
        return self.checkers.check(
            self.warm, tree, self.command, lambda: nullcontext(self.warm), seconds=seconds, stop=stop
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, FILES)
    yield bench
    bench.checkers.close()
    assert bench.checkers.alive == 0


def green(bench: Bench) -> bool:
    done = bench.check({"lib/a.ml": "let a = 2\n"})
    return done is not None and done.ok


def test_the_first_edit_is_the_runners_and_starts_a_checker(bench: Bench) -> None:
    assert bench.check({"lib/a.ml": "let a = 2\n"}) is None
    assert bench.ready()
    assert green(bench)


def test_an_answer_holds_what_dune_printed_and_nothing_of_its_frame(bench: Bench) -> None:
    assert bench.ready()
    done = bench.check({"lib/a.ml": "ERROR\n"})
    assert done is not None
    assert done.exit_status == 1
    assert done.stderr.strip() == b'File "lib/a.ml", line 1, characters 0-1:\nError: Unbound value x'
    assert green(bench)


def test_new_and_deleted_modules_are_there_for_one_check_only(bench: Bench) -> None:
    assert bench.ready()
    for edit in ({"lib/a.ml": None}, {"lib/c.ml": "let c = 1\n"}, {"lib/a.ml": None, "lib/c.ml": ""}):
        done = bench.check(edit)
        assert done is not None
        assert done.ok
    assert green(bench)


@pytest.mark.parametrize("word", ["DIE", "GARBAGE", "MUTE", "LINK"])
def test_a_checker_that_breaks_down_is_replaced(bench: Bench, tmp_path: Path, word: str) -> None:
    outside = tmp_path / "outside.ml"
    outside.write_text("mine\n")
    bench = Bench(tmp_path / "other", FILES | {"outside": str(outside)})
    try:
        assert bench.ready()
        bench.check({"lib/a.ml": f"{word}\n"})
        assert bench.ready()
        assert green(bench)
    finally:
        bench.checkers.close()
    assert outside.read_text() == "mine\n"


def test_what_does_not_come_back_to_green_judges_nothing_more(bench: Bench) -> None:
    assert bench.ready()
    red = bench.check({"lib/a.ml": "STUCK\n"})
    assert red is not None
    assert not red.ok
    assert bench.ready()
    assert green(bench)


def test_a_hanging_check_is_given_up_and_its_checker_replaced(bench: Bench) -> None:
    assert bench.ready()
    assert bench.check({"lib/a.ml": "HANG\n"}, seconds=0.3) is None
    # another one takes its place while the first is still being given up
    assert bench.ready()
    assert green(bench)


def test_a_cancelled_check_ends_at_once(bench: Bench) -> None:
    assert bench.ready()
    with Stop() as stop:
        threading.Timer(0.2, stop.request).start()
        with pytest.raises(Cancelled):
            bench.check({"lib/a.ml": "SLOW HANG\n"}, stop=stop)
    assert bench.ready()
    assert green(bench)


@pytest.mark.parametrize(("says", "starts"), [("dune: unknown option", 1), ("dune: no space left", 3)])
def test_a_dune_that_does_not_start_is_not_tried_for_ever(tmp_path: Path, says: str, starts: int) -> None:
    count = tmp_path / "count"
    bench = Bench(tmp_path, FILES | {"misbehave": f"{count}\n{says}"})
    try:
        for _ in range(5):
            assert not bench.ready()
            assert bench.check({"lib/a.ml": "let a = 2\n"}) is None
        bench.checkers.close()
        assert len(count.read_text()) == starts
    finally:
        bench.checkers.close()


def test_a_base_that_is_not_green_has_no_checker(tmp_path: Path) -> None:
    bench = Bench(tmp_path, FILES, built=False)
    assert not bench.ready()
    assert bench.check({"lib/a.ml": "let a = 2\n"}) is None
    bench.checkers.close()


def test_what_is_no_plain_module_is_the_runners(bench: Bench) -> None:
    assert bench.ready()
    for path in ("lib/dune", "lib/notes.txt", "new/a.ml", "lib/x.mll", "dune-project"):
        assert bench.check({path: "x\n"}) is None
    assert green(bench)


def test_a_dropped_base_is_held_no_longer(bench: Bench) -> None:
    held: list[str] = []

    @contextmanager
    def holding() -> Iterator[Warm]:
        held.append("held")
        yield bench.warm
        held.pop()

    assert bench.checkers.warm(bench.warm, bench.command, holding, seconds=30)
    assert held
    bench.checkers.drop(bench.base)
    assert not held
    assert bench.checkers.alive == 0
    assert bench.ready()
    bench.checkers.close()
    assert bench.check({"lib/a.ml": "let a = 2\n"}) is None


def test_many_threads_share_a_few_checkers(bench: Bench) -> None:
    assert bench.ready()
    answers: list[tuple[bool, bool | None]] = []

    def ask(number: int) -> None:
        red = number % 2 == 0
        done = bench.check({"lib/a.ml": f"{'ERROR' if red else 'fine'} {number}\n"})
        answers.append((red, None if done is None else not done.ok))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 20
    assert all(said in {None, red} for red, said in answers)
    assert any(said is not None for _, said in answers)
    assert bench.checkers.alive <= 2


def test_a_base_at_rest_gives_its_place_to_another(tmp_path: Path) -> None:
    bench = Bench(tmp_path, FILES, keep=1)
    other = bench.tree(bench.base, {"lib/b.ml": "let b = 2\n"})
    warm = Warm(other, tmp_path / "other", built=True)
    bench.store.materialise(other, warm.folder)

    def ready() -> bool:
        return bench.checkers.warm(warm, bench.command, lambda: nullcontext(warm), seconds=10)

    try:
        assert bench.ready()
        green(bench)
        assert not ready()
        while not ready():  # one that was just used keeps its place for some seconds
            time.sleep(0.1)
        bench.checkers.drop(bench.base)
        assert bench.checkers.alive == 1
    finally:
        bench.checkers.close()
