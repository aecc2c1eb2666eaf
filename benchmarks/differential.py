"""Two engines held to plain dune: the same edits judged by a build from nothing, by the runner, by the checker.

    python benchmarks/differential.py [--edits 500] [--seed 1] [--toolchain debian|image] [--images .images/images]
        [--root FOLDER] [--workers 2] [--json]

Each edit of ``differential_edits.py`` leads to a tree. Plain dune builds it in a clean checkout: ``@check``, then
``@all``, then ``@runtest``, up to the first that fails. The runner judges it by the suite ``test`` above the warm base,
and where dune is 3 or later an engine with persistent checkers judges it by the suites ``check`` and ``test``. They
must agree on the status, on the stage where it ended, and on the errors as (path, line, message).

An error has no say where dune contradicts itself: then the clean build is made again, twice, and what it does not
repeat is left out and counted as ``undetermined``. Prints one line for each disagreement; ``--json`` ends with
``{"disagreements": 0, "edits": …, "checked": …, "undetermined": …}``, ``checked`` being the edits that a persistent
checker answered. The exit status is 1 when there is any disagreement.
"""

import argparse
import itertools
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from differential_edits import PROJECT, Case, cases

from greenloop.builds import images
from greenloop.builds.checker import Checkers
from greenloop.builds.checker.pool import Holding
from greenloop.builds.diagnostics import alcotest, ocaml
from greenloop.builds.diagnostics.text import decode
from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap, Command, Completed, Limits
from greenloop.builds.stop import Stop
from greenloop.builds.toolchains.dune import Dune
from greenloop.builds.verdicts import VerdictStore
from greenloop.builds.warm import Warm
from greenloop.records import Category, Diagnostic, Severity, Stage, Status, Suite, TreeId, Verdict
from greenloop.workspace.store import Entry, Mode, TreeStore

_PLAIN = "dune build --root . --display quiet"
_ENVIRONMENT = {"DUNE_CACHE": "disabled", "OCAML_COLOR": "never", "OCAML_ERROR_STYLE": "short"}
_STAGES = ((Stage.TYPES, "@check"), (Stage.BUILD, "@all"), (Stage.TESTS, "@runtest"))

Errors = frozenset[tuple[str | None, int, str]]


@dataclass(frozen=True)
class Answer:
    """What one engine says of a tree. ``stage`` is where it ended."""

    status: Status
    stage: Stage
    errors: Errors


class CountingCheckers(Checkers):
    """Persistent checkers that remember how many edits they answered."""

    answered = 0

    def check(
        self, base: Warm, tree: TreeId, command: Command, holding: Holding, *, seconds: float, stop: Stop | None = None
    ) -> Completed | None:
        """See ``Checkers.check``."""
        done = super().check(base, tree, command, holding, seconds=seconds, stop=stop)
        self.answered += done is not None
        return done


class Bench:
    """The base, warm, and the engines above it."""

    def __init__(self, folder: Path, root: Path | None) -> None:
        self.folder = folder
        self.store = TreeStore(folder / "store")
        self.sandbox = Bubblewrap(limits=Limits(wall_seconds=300), root=root, scratch=folder)
        self.checkers = CountingCheckers(self.sandbox, self.store, keep=3)
        verdicts = VerdictStore(folder / "verdicts.sqlite")

        def engine(toolchain: Dune) -> Engine:
            return Engine(
                store=self.store,
                verdicts=verdicts,
                toolchain=toolchain,
                sandbox=self.sandbox,
                scratch=folder / "scratch",
            )

        self.runner = engine(Dune(root=root))
        self.checker = engine(Dune(root=root, checkers=self.checkers))
        self.base = self.tree(self.store.empty, PROJECT)
        assert self.runner.judge(self.base, Suite.TEST).green
        # the second one after the base has been seen warm starts a checker, where this dune has any
        self.watching = self._start_checkers()

    def _start_checkers(self) -> bool:
        for _ in range(3):
            self.checker.aside(self.base, Suite.CHECK, base=self.base)
            deadline = time.monotonic() + 20
            while self.checkers.alive and not self.checkers.answered and time.monotonic() < deadline:
                time.sleep(0.2)
                self.checker.aside(self.base, Suite.CHECK, base=self.base)
            if self.checkers.answered:
                self.checkers.answered = 0
                return True
        return False

    def tree(self, base: TreeId, edit: "dict[str, str] | dict[str, str | None]") -> TreeId:
        """Store the tree to which an edit of ``base`` leads."""
        entries = {
            path: None if text is None else Entry(Mode.FILE, self.store.write_blob(text.encode()))
            for path, text in edit.items()
        }
        return self.store.update(base, entries)

    def close(self) -> None:
        self.runner.close()
        self.checker.close()

    def plain(self, tree: TreeId) -> Answer:
        """Build a clean checkout with dune as it is."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            work = Path(folder, "w")
            work.mkdir()
            self.store.materialise(tree, work)
            for stage, alias in _STAGES:
                command = Command((*_PLAIN.split(), alias), _ENVIRONMENT)
                (done,) = self.sandbox.run_in(work, [command])
                if not done.ok:
                    text = alcotest.parse(decode(done.stdout) + decode(done.stderr)).rest
                    found = ocaml.parse(text)
                    unparsed = stage is Stage.TYPES and any(d.category is Category.SYNTAX for d in found)
                    return Answer(Status.RED, Stage.PARSE if unparsed else stage, errors(found))
        return Answer(Status.GREEN, Stage.TESTS, frozenset())


def errors(found: Sequence[Diagnostic]) -> Errors:
    """Return the errors that have a place, or a form of their own; the others are worded by the toolchain."""
    return frozenset(
        (d.path, d.span.line if d.span else 0, d.message)
        for d in found
        if d.severity is Severity.ERROR and (d.path is not None or d.category is Category.DEPENDENCY)
    )


def answer(verdict: Verdict) -> Answer:
    """Return what a verdict says, in the terms of a clean build."""
    return Answer(verdict.status, verdict.stages[-1].stage, errors(verdict.diagnostics))


def up_to_types(plain: Answer) -> Answer:
    """Return what a check alone would have said."""
    if plain.stage in {Stage.PARSE, Stage.TYPES}:
        return plain
    return Answer(Status.GREEN, Stage.TYPES, frozenset())


@dataclass
class Tally:
    """What came of all edits."""

    edits: int = 0
    disagreements: int = 0
    undetermined: int = 0


def compare(bench: Bench, case: Case, tally: Tally, lock: threading.Lock) -> None:
    """Judge one edit in every way and count."""
    tree = bench.tree(bench.base, case.edit)
    plain = bench.plain(tree)
    told = {"runner": (answer(bench.runner.aside(tree, Suite.TEST, base=bench.base).verdict), plain)}
    if bench.watching:
        verdict = bench.checker.aside(tree, Suite.CHECK, base=bench.base).verdict
        told["checker"] = (answer(verdict), up_to_types(plain))
        verdict = bench.checker.aside(tree, Suite.TEST, base=bench.base).verdict
        told["checker, then runner"] = (answer(verdict), plain)
    differing = {name: pair for name, pair in told.items() if pair[0] != pair[1]}
    undetermined = False
    if differing:
        again = [bench.plain(tree) for _ in range(2)]
        undetermined = any(one != plain for one in again)
        if undetermined:
            common = frozenset.intersection(plain.errors, *(one.errors for one in again))
            every = frozenset.union(plain.errors, *(one.errors for one in again))
            stages = {one.stage for one in (plain, *again)}
            differing = {
                name: (said, expected)
                for name, (said, expected) in differing.items()
                if said.status is not expected.status
                or said.stage not in {*stages, expected.stage}
                or (expected.errors and not common <= said.errors <= every)
            }
    with lock:
        tally.edits += 1
        tally.undetermined += undetermined
        tally.disagreements += bool(differing)
        for name, (said, expected) in differing.items():
            print(f"edit {case.number} ({case.kind}): the {name} disagrees with a clean build", file=sys.stderr)
            print(f"  files: {sorted(case.edit)}\n  {name}: {said}\n  dune:  {expected}", file=sys.stderr, flush=True)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="The runner and the persistent checker beside a clean build by dune.")
    parser.add_argument("--edits", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="the number of the first edit to judge")
    parser.add_argument("--toolchain", choices=("debian", "image"), default="debian")
    parser.add_argument("--images", type=Path, default=Path(".images/images"), help="where the images lie")
    parser.add_argument("--root", type=Path, help="a root file system, in place of the image")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> int:
    """Judge the edits and say how often the engines disagreed."""
    options = parse()
    image = images.open(options.images) if options.toolchain == "image" and options.root is None else None
    root: Path | None = options.root if image is None else image.root
    tally, lock, kinds = Tally(), threading.Lock(), Counter[str]()
    chosen = list(itertools.islice(cases(options.seed), options.first - 1, options.first - 1 + options.edits))
    with tempfile.TemporaryDirectory(prefix="greenloop-differential-") as folder:
        bench = Bench(Path(folder), root)
        try:
            with ThreadPoolExecutor(options.workers) as workers:
                for _ in workers.map(lambda case: compare(bench, case, tally, lock), chosen):
                    if tally.edits % 50 == 0 and not options.json:
                        print(f"{tally.edits} edits, {tally.disagreements} disagreements", flush=True)
            kinds.update(case.kind.partition(" + ")[0] for case in chosen)
            checked = bench.checkers.answered
        finally:
            bench.close()
    result = vars(tally) | {"checked": checked, "kinds": len(kinds), "toolchain": options.toolchain}
    print(json.dumps(result) if options.json else f"{tally}, checked {checked}, {len(kinds)} kinds")
    return 1 if tally.disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
