"""dune's real watch mode, in the sandbox, says what the runner says, and is asked about nothing that could run."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from greenloop.builds.checker import Checkers
from greenloop.builds.checker.pool import Holding
from greenloop.builds.engine import Engine
from greenloop.builds.images import Image
from greenloop.builds.sandbox import Bubblewrap, Command, Completed, Limits
from greenloop.builds.stop import Stop
from greenloop.builds.toolchains.dune import Dune
from greenloop.builds.verdicts import VerdictStore
from greenloop.builds.warm import Warm
from greenloop.records import EvaluationLimits, Stage, Status, Suite, TreeId, Verdict
from greenloop.workspace.store import Entry, Mode, TreeStore

PROJECT = {
    "dune-project": "(lang dune 3.0)\n",
    "util/dune": "(library (name util))\n",
    "util/sums.ml": "let add x y = x + y\n",
    "util/names.ml": 'let square = "square"\n',
    "util/names.mli": "val square : string\n",
    "shapes/dune": "(library (name shapes) (libraries util))\n",
    "shapes/area.ml": "let square side = Util.Sums.add 0 (side * side)\nlet name = Util.Names.square\n",
    "gen/dune": "(executable (name gen))\n",
    "gen/gen.ml": 'let () = print_string "let made = 1"\n',
    "shapes/table/dune": "(library (name table))\n(rule (with-stdout-to made.ml (run ../../gen/gen.exe)))\n",
}

EDITS: dict[str, dict[str, str | None]] = {
    "a comment": {"util/sums.ml": "(* more *)\nlet add x y = x + y\n"},
    "a type error": {"shapes/area.ml": "let square side = Util.Sums.add true (side * side)\n"},
    "a type error far above": {"util/sums.ml": "let add x = x\n"},
    "two errors": {"util/sums.ml": "let add = nowhere\n", "util/names.ml": "let square = 1\n"},
    "a syntax error": {"util/sums.ml": "let add x y = \n"},
    "a syntax error in an interface": {"util/names.mli": "val square :\n"},
    "an unused variable": {"util/sums.ml": "let add x y = let z = 1 in x + y\n"},
    "an interface gives less": {"util/names.mli": ""},
    "an interface gives more": {"util/names.mli": "val square : string\nval circle : string\n"},
    "an interface gone": {"util/names.mli": None},
    "a module gone": {"util/names.ml": None, "util/names.mli": None},
    "a module renamed with its use": {
        "util/names.ml": None,
        "util/names.mli": None,
        "util/nouns.ml": 'let square = "square"\n',
        "shapes/area.ml": "let name = Util.Nouns.square\n",
    },
    "a new module": {"util/fresh.ml": "let x = Sums.add 1 2\n"},
    "a new module in error": {"util/fresh.ml": "let x = Sums.add 1\nlet y : int = x\n"},
    "a cycle": {"util/sums.ml": "let add x y = Names.square\n", "util/names.ml": "let square = Sums.add\n"},
    "nothing left": {"util/sums.ml": ""},
}


class Recorded(Checkers):
    """Checkers that remember whether the last edit was answered."""

    answered = False

    def check(
        self, base: Warm, tree: TreeId, command: Command, holding: Holding, *, seconds: float, stop: Stop | None = None
    ) -> Completed | None:
        done = super().check(base, tree, command, holding, seconds=seconds, stop=stop)
        self.answered = done is not None
        return done


class Bench:
    """The project, warm, and two engines above it: one with persistent checkers, one without."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.store = TreeStore(folder / "store")
        self.sandbox = Bubblewrap(limits=Limits(wall_seconds=120), root=root)
        self.checkers = Recorded(self.sandbox, self.store, keep=2)
        self.runner, self.watching = (
            Engine(
                store=self.store,
                verdicts=VerdictStore(folder / "verdicts.sqlite"),
                toolchain=toolchain,
                sandbox=self.sandbox,
                scratch=folder / "scratch",
            )
            for toolchain in (Dune(root=root), Dune(root=root, checkers=self.checkers))
        )
        self.base = self.edit(self.store.empty, PROJECT)
        assert self.runner.judge(self.base, Suite.BUILD).green

    def edit(self, base: TreeId, files: Mapping[str, str | None]) -> TreeId:
        entries = {
            path: None if text is None else Entry(Mode.FILE, self.store.write_blob(text.encode()))
            for path, text in files.items()
        }
        return self.store.update(base, entries)

    def watched(self, tree: TreeId, suite: Suite = Suite.CHECK) -> Verdict:
        """Return what the engine with checkers says, once one of them is there."""
        deadline = time.monotonic() + 60
        while True:
            verdict = self.watching.aside(tree, suite, base=self.base).verdict
            if self.checkers.answered or not self.checkers.alive or time.monotonic() > deadline:
                return verdict
            time.sleep(0.1)


@pytest.fixture(scope="module")
def bench(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Bench"]:
    bench = Bench(tmp_path_factory.mktemp("watch"), image.root)
    yield bench
    bench.watching.close()
    assert bench.checkers.alive == 0


def told(verdict: Verdict) -> object:
    return verdict.status, verdict.diagnostics, [(result.stage, result.status) for result in verdict.stages]


@pytest.mark.parametrize("name", EDITS)
def test_a_checker_says_what_the_runner_says(bench: Bench, name: str) -> None:
    tree = bench.edit(bench.base, EDITS[name])
    watched = bench.watched(tree)
    assert bench.checkers.answered
    assert told(watched) == told(bench.runner.aside(tree, Suite.CHECK, base=bench.base).verdict)


def test_an_edit_of_what_runs_is_the_runners(bench: Bench) -> None:
    for edit in ({"gen/gen.ml": 'let () = print_string "let made = 2"\n'}, {"util/dune": PROJECT["util/dune"] + "\n"}):
        bench.watched(bench.edit(bench.base, EDITS["a comment"]))
        assert bench.watching.aside(bench.edit(bench.base, edit), Suite.CHECK, base=bench.base).verdict.green
        assert not bench.checkers.answered


def test_the_further_suites_take_the_types_from_a_checker(bench: Bench) -> None:
    verdict = bench.watched(bench.edit(bench.base, EDITS["a comment"]), Suite.BUILD)
    assert bench.checkers.answered
    assert verdict.green
    assert all(result.seconds > 0 for result in verdict.stages if result.stage is not Stage.PARSE)
    verdict = bench.watched(bench.edit(bench.base, EDITS["a type error"]), Suite.TEST)
    assert bench.checkers.answered
    assert verdict.stages[-1].stage is Stage.TYPES


def test_a_limit_in_seconds_is_a_checkers_too_and_less_memory_is_the_runners(bench: Bench) -> None:
    tree = bench.edit(bench.base, EDITS["a comment"])
    bench.watched(tree)
    for limits, answered in ((EvaluationLimits(seconds=40), True), (EvaluationLimits(memory_mib=1024), False)):
        bench.checkers.answered = False
        verdict = bench.watching.limited(limits).aside(tree, Suite.CHECK, base=bench.base).verdict
        assert verdict.status is Status.GREEN
        assert bench.checkers.answered is answered


def test_a_dropped_checker_is_started_again(bench: Bench) -> None:
    tree = bench.edit(bench.base, EDITS["a type error"])
    expected = told(bench.runner.aside(tree, Suite.CHECK, base=bench.base).verdict)
    bench.watched(tree)
    bench.checkers.drop(bench.base)
    assert bench.checkers.alive == 0
    assert told(bench.watching.aside(tree, Suite.CHECK, base=bench.base).verdict) == expected
    assert told(bench.watched(tree)) == expected
    assert bench.checkers.answered
