"""Projects built by dune, 2.9 and later: ``@check``, ``@all`` and ``@runtest`` in an overlay above a warm tree.

Only errors are reported: dune prints a warning when it compiles a file, not when it finds it compiled, so that
warnings would depend on which warm tree was near. For the same reason errors are sorted by place: dune prints them
as its jobs end. The lines ``-> required by`` are dropped.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from greenloop.builds import images
from greenloop.builds.checker import Checkers
from greenloop.builds.diagnostics import alcotest, ocaml
from greenloop.builds.diagnostics.text import clip, decode, distinct
from greenloop.builds.limited import alike, seconds_of
from greenloop.builds.sandbox.policy import ENVIRONMENT, Command, Completed
from greenloop.builds.toolchain import (
    Outcome,
    Workbench,
    combine,
    find_tool,
    identify,
    killed_tests,
    staged,
    with_rewritten,
)
from greenloop.builds.toolchains.stanzas import expects_results
from greenloop.builds.warm import Warm, WarmTrees
from greenloop.records import (
    Category,
    Diagnostic,
    EnvironmentFault,
    Part,
    Severity,
    Stage,
    Status,
    Suite,
    TestStatus,
    TreeId,
)

WAY_OUT = "apt-get install --no-install-recommends ocaml-nox ocaml-dune ocaml-findlib"

_INTERNAL_ERROR = "Internal error, please report upstream"
_ACTION = re.compile(r'^(?:File "[^"\n]*", lines? \d+|.*\((?:exit \d+|got signal \w+)\)$)', re.MULTILINE)
"""How dune begins to tell of a failed command: 3 by the place of its stanza, 2 by its name and its exit status."""
_ALIASES = {Stage.TYPES: "@check", Stage.BUILD: "@all", Stage.TESTS: "@runtest"}
_DUNES_OWN = re.compile(r"(?!_build)|_build/(?:\.|log$|[^/]*/\.dune(?:/|$))")
"""What dune itself writes while it runs tests, and what does not matter then: the sources were copied before.

What it has built is read-only, and it builds none of it again.
"""
_CLOSED = ("_build/install",)
"""Where nothing is added while tests run: dune's actions look for programs there first."""
_SIGNAL = 128
"""Exit statuses above are those of signals."""
_PRODUCTS = frozenset({"_build"})
_CHECKERS_SHARE = 0.25
"""The part of the limit of a type check that a persistent checker may use."""
_JOINT_SHARE = 0.25
"""The part of the shorter of their limits that types and build have as one dune, before each is run by itself."""
_BUILD = (
    *("dune", "build", "--root", ".", "--no-config", "--disable-promotion"),
    *("--display", "quiet", "--diff-command", "diff -u"),
)
_ENVIRONMENT = {
    "DUNE_CACHE": "disabled",
    "OCAML_COLOR": "never",
    "OCAML_ERROR_STYLE": "short",
    "ALCOTEST_COLOR": "never",
    "ALCOTEST_SHOW_ERRORS": "true",
    "CLICOLOR": "0",
}
"""No cache that a tree could share with another (ocaml/dune#16077); plain text, since programs read it."""


class DuneConfig(Part):
    """How a dune project is judged."""

    profile: str = "dev"
    """dune's build profile. ``dev`` turns most warnings into errors, as for the people who work on the project."""
    jobs: int = Field(default=2, ge=1)
    """Commands that one dune runs at the same time."""
    check_seconds: float = Field(default=60.0, gt=0)
    """Wall-clock limit of the type check, in seconds."""
    build_seconds: float = Field(default=120.0, gt=0)
    """Wall-clock limit of the build, in seconds."""
    test_seconds: float = Field(default=60.0, gt=0)
    """Wall-clock limit of all tests, in seconds."""
    warm_seconds: float = Field(default=600.0, gt=0)
    """Wall-clock limit of each stage of a build from nothing, in seconds."""
    keep_warm: int = Field(default=3, ge=1)
    """Warm trees kept on disk, each with its whole ``_build``."""
    path: str = ENVIRONMENT["PATH"]
    """Where the tools are looked up, inside the sandbox and outside, separated by colons."""


class Dune:
    """The ``dune`` toolchain."""

    name = "dune"
    batch = 1
    suites = frozenset(Suite)

    def __init__(
        self, config: DuneConfig | None = None, *, root: Path | None = None, checkers: Checkers | None = None
    ) -> None:
        """Make a toolchain.

        ``root``: the root file system that the sandbox shows, where it is not the host's own. ``checkers``: the
        persistent checkers that answer for the types where they can, closed with this; for dune 3 and later.
        """
        self._config = config or DuneConfig()
        self._root = root
        self._checkers = checkers

    def close(self) -> None:
        """End the persistent checkers. May be called again."""
        if self._checkers is not None:
            self._checkers.close()

    def fingerprint(self) -> str:
        """Hash dune, the compilers, every library that findlib names, the commands and the limits."""
        config, path = self._config, self._config.path
        parts: dict[str, object] = {
            "toolchain": self.name,
            "image": "" if self._root is None else images.identity(self._root),
            "dune": self._identify("dune"),
            "ocamlc": self._identify("ocamlc"),
            "commands": (_BUILD, config.profile, sorted(_ALIASES.items())),
            "environment": sorted(_ENVIRONMENT.items()),
            "path": path,
            "seconds": (config.check_seconds, config.build_seconds, config.test_seconds, config.warm_seconds),
            "joint": _JOINT_SHARE,
        }
        for optional in ("ocamlc.opt", "ocamlopt.opt"):
            try:
                parts[optional] = self._identify(optional)
            except EnvironmentFault:
                parts[optional] = "absent"
        parts["libraries"] = _libraries(self._find("ocamlc"), self._root)
        return combine(parts)

    def _find(self, name: str) -> Path:
        return find_tool(name, WAY_OUT, self._config.path, self._root)

    def _identify(self, name: str) -> str:
        return identify(self._find(name), self._root)

    def _dune(self, *words: str) -> tuple[str, ...]:
        return (*_BUILD, "--profile", self._config.profile, "-j", str(self._config.jobs), *words)

    def _seconds(self, stage: Stage) -> float:
        config = self._config
        return {
            Stage.TYPES: config.check_seconds,
            Stage.BUILD: config.build_seconds,
            Stage.TESTS: config.test_seconds,
        }[stage]

    def _limit(self, stage: Stage, bench: Workbench) -> float:
        """Return the wall clock of a stage in seconds: the request's, where that is less."""
        return min(self._seconds(stage), seconds_of(bench.sandbox) or self._seconds(stage))

    def _command(self, *stages: Stage, seconds: float | None = None) -> Command:
        words = [_ALIASES[stage] for stage in stages]
        fresh: tuple[str, ...] | None = None
        if Stage.TESTS in stages:
            # A test that dune takes for passed is not seen to pass. None is passed in what was built before, so this
            # runs no more of them than dune would by itself, unless a step of the build has claimed that it ran them.
            words.append("--force")
            fresh = tuple(_PRODUCTS)
        limit = seconds or sum(map(self._seconds, stages))
        environment = _ENVIRONMENT | {"PATH": self._config.path}
        return Command(self._dune(*words), environment, limit, fresh, _CLOSED if fresh is not None else ())

    def _warm_trees(self, suite: Suite, bench: Workbench) -> WarmTrees:
        # the tests' suite needs nothing warm that the build's does not, and the check's is contained in both
        stages = [stage for stage in suite.stages if stage in {Stage.TYPES, Stage.BUILD}]
        kinds = [f"{bench.warm_kind}-{stage.value}" for stage in (Stage.TYPES, Stage.BUILD)]
        return WarmTrees(
            bench.scratch / "warm",
            kind=kinds[len(stages) - 1],
            richer=kinds[len(stages) :],
            store=bench.store,
            sandbox=bench.sandbox,
            commands=(self._command(*stages, seconds=self._config.warm_seconds),),
            settle=True,
            products=_PRODUCTS,
            keep=self._config.keep_warm,
        )

    def judge(self, trees: Sequence[TreeId], suite: Suite, bench: Workbench) -> tuple[Outcome, ...]:
        """Judge each tree above the nearest warm one."""
        return tuple(self._judge(tree, suite, bench) for tree in trees)

    def _judge(self, tree: TreeId, suite: Suite, bench: Workbench) -> Outcome:
        warm_trees = self._warm_trees(suite, bench)
        stages = [stage for stage in suite.stages if stage in _ALIASES]
        with warm_trees.near(tree, bench.base, bench.stop) as base:
            outcome = self._judge_over(base, tree, stages, warm_trees, bench)
        # above a base that was asked for, too slow is too slow: a hostile rule must not have the time of a cold build
        slow = outcome.status is Status.TIMEOUT and bench.base is not None
        if base.tree != tree and _doubtful(outcome) and not slow:
            # a fair trial, in which nothing that was built before has a say, nor how little was
            commands = [self._command(stage, seconds=self._clean_seconds(stage)) for stage in stages]
            completed = warm_trees.run_clean(tree, commands, bench.stop)
            lost = sum(result.seconds for result in outcome.stages)
            first, *others = completed
            completed = (replace(first, seconds=lost + first.seconds), *others)
            outcome = replace(_assess(stages, completed, tree, bench), final=True)
        elif bench.base is None and base.tree != tree and outcome.status is Status.GREEN and not base.built:
            # the warm tree is of a broken one: the next trees deserve a better
            with warm_trees.exact(tree):
                pass
        return outcome

    def _judge_over(
        self, base: Warm, tree: TreeId, stages: Sequence[Stage], warm_trees: WarmTrees, bench: Workbench
    ) -> Outcome:
        """Judge above a warm tree, by a persistent checker first where there is one."""

        def run(*commands: Command) -> tuple[Completed, ...]:
            return warm_trees.run_over(base, tree, commands, bench.stop)

        types, *further = stages
        checked = self._ask_checker(base, tree, warm_trees, bench)
        ended: tuple[Completed, ...]
        if checked is not None:
            ended = (checked,)
            if checked.ok and further:
                ended += run(*(self._command(stage) for stage in further))
        elif further:
            ended = self._run_jointly(stages, run, bench)
        else:
            ended = run(self._command(types))
        return _assess(stages, ended, tree, bench)

    def _run_jointly(
        self, stages: Sequence[Stage], run: Callable[..., tuple[Completed, ...]], bench: Workbench
    ) -> tuple[Completed, ...]:
        """Run types and build as one dune where that is enough, and return how each stage ended.

        dune takes as long to see that nothing is to be done as to compile a module, so one dune does both; its time
        is told of the types, and the build's is 0. Where it fails, a check of its own says at which stage: so types
        are red, and with the same errors, whatever the suite.

        Nobody can tell which of the two a dune was at when its time was up. So both together have a share of the
        shorter limit only; then they are run one after the other, each with what is left of its own limit. The stage
        that takes too long is the one that is named, and it has had its own limit, not the sum of both. What the
        joint run took counts as the types', unless it is what decides that the build is red.
        """
        types, build, *tests = stages
        limits = {stage: self._limit(stage, bench) for stage in (types, build)}
        share = _JOINT_SHARE * min(limits.values())
        last = [self._command(stage) for stage in tests]
        both, *rest = run(self._command(types, build, seconds=share), *last)
        if both.ok:
            return (both, replace(both, seconds=0.0, stdout=b"", stderr=b""), *rest)
        # at least the same share once more: a machine may be slow to end what is killed
        check, whole = (
            self._command(stage, seconds=max(share, limits[stage] - both.seconds)) for stage in (types, build)
        )
        checked, *rest = run(check, whole, *last) if both.timed_out else run(check)
        if checked.ok and not both.timed_out:
            return checked, both
        checked = replace(checked, seconds=both.seconds + checked.seconds)
        return (checked, *rest) if both.timed_out else (checked, both)

    def _ask_checker(self, base: Warm, tree: TreeId, warm_trees: WarmTrees, bench: Workbench) -> Completed | None:
        """Return what a persistent checker says of the types, or ``None`` where the runner must be asked."""
        checkers = self._checkers
        if checkers is None or not alike(bench.sandbox, checkers.sandbox):
            # what this judgement may use is not what the checkers may
            return None
        done = checkers.check(
            base,
            tree,
            Command(self._dune("--passive-watch-mode"), _ENVIRONMENT | {"PATH": self._config.path}),
            lambda: warm_trees.exact(base.tree),
            # when it does not answer there must be time for the runner
            seconds=_CHECKERS_SHARE * self._limit(Stage.TYPES, bench),
            stop=bench.stop,
        )
        if done is not None and not done.ok and _doubtful(_assess((Stage.TYPES,), (done,), tree, bench)):
            return None
        return done

    def _clean_seconds(self, stage: Stage) -> float:
        return self._config.test_seconds if stage is Stage.TESTS else self._config.warm_seconds


def _doubtful(outcome: Outcome) -> bool:
    """Whether what was built before may be to blame: for lacking too much, or for confusing dune.

    dune 2.9 does not get over a folder that became a file, for one, and says so without a place.
    """
    if outcome.killed:
        return True
    if outcome.status is Status.RED:
        placeless = all(d.path is None and d.category is Category.OTHER for d in outcome.diagnostics)
        return placeless and outcome.stages[-1].stage is not Stage.TESTS
    return outcome.status is Status.REJECTED or (
        outcome.status is Status.TIMEOUT and outcome.stages[-1].stage is not Stage.TESTS
    )


def _assess(stages: Sequence[Stage], completed: Sequence[Completed], tree: TreeId, bench: Workbench) -> Outcome:
    def assess(stage: Stage, done: Completed) -> Outcome:
        if stage is not Stage.TESTS:
            return _assess_build(done)
        return with_rewritten(_assess_tests(done, tree, bench), done, lambda path: not _DUNES_OWN.match(path))

    return staged(stages, completed, assess)


def _assess_build(done: Completed) -> Outcome:
    """Judge one stage of building by its exit status and what it printed."""
    if done.ok:
        return Outcome(Status.GREEN)
    text = decode(done.stderr) + decode(done.stdout)
    stopped = _stopped(done, text)
    if stopped is not None:
        return stopped
    return Outcome(Status.RED, diagnostics=_errors(ocaml.parse(text), text, Category.OTHER))


def _assess_tests(done: Completed, tree: TreeId, bench: Workbench) -> Outcome:
    """Judge the tests: never green by the exit status alone where named results are to be expected.

    A program under test can end the run early with exit status 0, or keep its failures from being counted. So a
    run that opened must close, no result may be a failure, and where a plain ``test`` stanza links alcotest at
    least one run must have been seen. Only the tree decides what is expected, so that the verdict is the tree's.
    """
    text = decode(done.stderr) + decode(done.stdout)
    stopped = _stopped(done, text)
    seen = alcotest.parse(text)
    if not done.timed_out and (done.exit_status or 0) > _SIGNAL:
        return killed_tests(done, seen.results)
    if stopped is not None:
        return Outcome(stopped.status, tests=seen.results, note=stopped.note)
    failed = [result for result in seen.results if result.status is TestStatus.FAILED]
    if not done.ok:
        found = (*ocaml.parse(seen.rest), *seen.diagnostics)
        if failed and len(_ACTION.findall(seen.rest)) > len({result.name.partition("/")[0] for result in failed}):
            # who forgives a named test must see that it is not the only one that failed
            found += (_test_error("another command of the tests failed as well, without naming a test"),)
        return Outcome(Status.RED, diagnostics=_errors(found, text, Category.TEST), tests=seen.results)
    doubt = ""
    if failed:
        doubt = f"{len(failed)} tests failed, but the exit status was 0"
    elif seen.opened > seen.closed:
        doubt = "a test run was ended before it was over, with exit status 0"
    elif not seen.results and expects_results(bench.store, tree):
        doubt = "no test was seen to run, though a stanza names alcotest; the exit status was 0"
    if doubt:
        return Outcome(Status.RED, (), (*seen.diagnostics, _test_error(doubt)), seen.results, doubt)
    note = "" if seen.results else "no named test was seen: only the exit status is known"
    return Outcome(Status.GREEN, tests=seen.results, note=note)


def _stopped(done: Completed, text: str) -> Outcome | None:
    """Return the outcome of a dune that did not come to its own end, whatever the code is like."""
    if done.timed_out:
        return Outcome(Status.TIMEOUT, note=f"dune was stopped after {done.seconds:.0f} s")
    if done.exit_status in {126, 127}:
        return Outcome(Status.INFRA_ERROR, note=f"dune could not be run: {clip(text)[-300:]}")
    if _INTERNAL_ERROR in text or (done.exit_status or 0) > _SIGNAL:
        # code under test can bring this about on purpose, so it must not pass for a fault of the machine
        return Outcome(Status.REJECTED, note=f"dune itself failed on this tree: {clip(text)[-300:]}")
    return None


def _errors(found: Sequence[Diagnostic], text: str, placeless: Category) -> tuple[Diagnostic, ...]:
    """Return the errors by place, those of unknown kind as ``placeless``; never empty."""
    errors = [
        diagnostic.model_copy(update={"category": placeless})
        if diagnostic.category is Category.OTHER
        else diagnostic
        for diagnostic in found
        if diagnostic.severity is Severity.ERROR
    ]  # fmt: skip
    if not errors:
        tail = "\n".join(text.strip().splitlines()[-20:])
        errors = [Diagnostic(severity=Severity.ERROR, category=placeless, message=clip(tail) or "failed, silently")]
    return distinct(sorted(errors, key=_place))


def _place(diagnostic: Diagnostic) -> tuple[bool, str, int, int]:
    span = diagnostic.span
    return diagnostic.path is None, diagnostic.path or "", span.line if span else 0, span.column if span else 0


def _test_error(message: str) -> Diagnostic:
    return Diagnostic(severity=Severity.ERROR, category=Category.TEST, message=message)


def _libraries(compiler: Path, root: Path | None) -> tuple[str, ...]:
    """Identify the standard library and every findlib package beside a compiler, by what their files hold."""
    library = compiler.parent.parent / "lib"
    found = [*library.glob("*/META"), *library.glob("ocaml/*/META"), *library.glob("ocaml/stdlib.cmi")]
    return tuple(sorted(identify(path, root) for path in found))
