"""The trials of one edited tree: its own, those that find tests which disagree, and the one with hidden tests.

What is found here is about the tests alone; flags and what they are worth to a task are the worker's.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath

from greenloop.builds.engine import Engine, Trial
from greenloop.builds.stop import Stop
from greenloop.ces.expectations import counts_as_green, failed, missing, reached_tests, unsteady
from greenloop.ces.quarantine import Quarantine
from greenloop.records import (
    EvaluationRequest,
    HiddenFile,
    HiddenResult,
    InfrastructureError,
    Status,
    Suite,
    TestStatus,
    TreeId,
    Verdict,
    WarmBuild,
)
from greenloop.workspace.store import Entry, Mode, TreeStore

_CHANCES = 2
"""Further runs that a tree gets in which nothing but quarantined tests failed: a run without any failure is proof."""
_BASE_RUNS = 10
"""Runs of the base's tests, at the most, to see whether a test that disagrees did so before the edit. A test that
fails every other time escapes them in 2 of 1,000 cases."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the trials came to. ``status`` and ``reason`` are before flags; ``shown`` is the verdict to tell of."""

    shown: Verdict
    tree_status: Status
    """The stored verdict's, of the tree as such."""
    status: Status
    reason: str = ""
    note: str = ""
    missing: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()
    """Files of the tests that were written while they ran, and are not in the base."""
    flaky: tuple[str, ...] = ()
    hidden: HiddenResult | None = None
    log: str = ""
    seen_before: bool = False
    store_seconds: float = 0.0


@dataclass(frozen=True)
class Examination:
    """One request's trials above one warm build."""

    store: TreeStore
    engine: Engine
    quarantine: Quarantine
    project: str
    """Under which its tests are quarantined."""
    service: Engine
    """The one with the service's own limits: it names the quarantine, and says which tests the base passes."""
    request: EvaluationRequest
    warm: WarmBuild
    stop: Stop
    excused: frozenset[str] = field(default=frozenset())

    def run(self, base: TreeId, tree: TreeId) -> Findings:
        """Judge ``tree``, to which the edit of ``base`` leads."""
        quarantined = self.quarantine.quarantine(self.service.fingerprint, self.project)
        excused = quarantined | frozenset(self.warm.flaky)
        trial = self.engine.trial(
            tree, self.request.suite, base=self.warm.tree, stop=self.stop, fresh=self.request.fresh
        )
        return replace(self, excused=excused)._assess(base, tree, trial)

    def _assess(self, base: TreeId, tree: TreeId, trial: Trial) -> Findings:
        first = trial.verdict
        runs = self._repeated(tree, first)
        known, new = self._disagreeing(runs)
        settled = replace(self, excused=self.excused | known)
        shown, green = settled._shown(tree, runs)
        findings = Findings(
            shown=shown,
            tree_status=first.status,
            status=Status.GREEN if green else shown.status,
            flaky=tuple(sorted(new | settled._uncounted((*runs, shown)))),
            log=trial.log,
            seen_before=trial.seen_before and len(runs) == 1 and shown is first,
            store_seconds=trial.store_seconds,
        )
        findings = settled._with_rewritten(settled._with_expectations(findings), runs)
        if new:
            note = f"passed and failed on the same tree, though steady in the base: {_listed(sorted(new))}"
            findings = replace(findings, status=_worse(findings.status), reason="flaky", note=note)
        return settled._with_hidden(base, tree, findings, green=green)

    def _again(self, tree: TreeId) -> Verdict:
        return self.engine.aside(tree, self.request.suite, base=self.warm.tree, stop=self.stop).verdict

    def _repeated(self, tree: TreeId, first: Verdict) -> list[Verdict]:
        """Return the first verdict and those of the further runs that the request asks for."""
        runs = [first]
        if self.request.suite is Suite.TEST and reached_tests(first):
            runs += [self._again(tree) for _ in range(self.request.repeats - 1)]
        return runs

    def _disagreeing(self, runs: Sequence[Verdict]) -> tuple[frozenset[str], frozenset[str]]:
        """Return the tests that disagree: those that do so in the base as well, and those that the edit made so.

        The former go into quarantine. The latter never do: else an edit could rid itself of any test by drawing lots.
        """
        suspects = unsteady([run for run in runs if reached_tests(run)]) - self.excused
        if not suspects:
            return frozenset(), frozenset()
        # the warm build was made by a run in which its tests passed
        ends = {name: {TestStatus.PASSED} if name in self.warm.tests else set() for name in suspects}
        confirmed: frozenset[str] = frozenset()
        tries = 0
        while not suspects <= confirmed and tries < max(_BASE_RUNS, self.request.repeats):
            tries += 1
            again = self.engine.aside(self.warm.tree, Suite.TEST, base=self.warm.tree, stop=self.stop).verdict
            for test in again.tests if reached_tests(again) else ():
                if test.name in suspects:
                    ends[test.name].add(test.status)
            confirmed = frozenset(name for name, seen in ends.items() if len(seen) > 1)
        if confirmed:
            note = f"disagreed in {len(runs)} runs of {runs[0].tree} and in {tries} of {self.warm.tree}"
            self.quarantine.add_quarantine(self.service.fingerprint, self.project, confirmed, note)
        return confirmed, suspects - confirmed

    def _shown(self, tree: TreeId, runs: Sequence[Verdict]) -> tuple[Verdict, bool]:
        """Return the run to tell of, and whether all of them count as green."""
        for run in runs:
            if not run.green:
                shown, green = self._excuse(tree, run)
                if not green:
                    return shown, False
                if len(runs) == 1:
                    return shown, True
        return runs[0], True

    def _excuse(self, tree: TreeId, verdict: Verdict) -> tuple[Verdict, bool]:
        """Give a tree whose only failures are quarantined further chances, and then the benefit of the doubt."""
        bad = failed(verdict)
        if not reached_tests(verdict) or not bad or not bad <= self.excused:
            return verdict, False
        for _ in range(_CHANCES):
            again = self._again(tree)
            if again.green:
                return again, True
            if not failed(again) <= self.excused:
                return again, False
        return verdict, counts_as_green(verdict, self.excused)

    def _uncounted(self, runs: Iterable[Verdict]) -> AbstractSet[str]:
        """Return the excused tests whose end was seen, or expected, and not counted."""
        if self.request.suite is not Suite.TEST:
            return frozenset()
        reached = [run for run in runs if reached_tests(run)]
        ended_badly = {test.name for run in reached for test in run.tests if test.status is not TestStatus.PASSED}
        lacking = {name for run in reached for name in missing(self._expected, run.tests)}
        return self.excused & (ended_badly | lacking)

    @cached_property
    def _expected(self) -> tuple[str, ...]:
        if self.request.expected_tests is not None:
            return self.request.expected_tests
        if self.warm.tests:
            return self.warm.tests
        # a pool that warms builds without their tests knows no names
        return tuple(test.name for test in self._base_verdict().tests if test.status is TestStatus.PASSED)

    def _base_verdict(self) -> Verdict:
        """What the base's own tests come to; it is stored."""
        return self.service.trial(self.warm.tree, Suite.TEST, base=self.warm.tree, stop=self.stop).verdict

    def _with_expectations(self, findings: Findings) -> Findings:
        """Demand that the expected tests were seen to pass."""
        shown = findings.shown
        if self.request.suite is not Suite.TEST or not reached_tests(shown):
            return findings
        # a test that was seen to fail is not missing: the stages tell of it
        lacking = missing(self._expected, shown.tests, self.excused | failed(shown))
        if not lacking:
            return findings
        note = f"{len(lacking)} tests that passed in the base were not seen to pass: {_listed(lacking)}"
        return _refused(replace(findings, missing=lacking), "tests-missing", note)

    def _with_rewritten(self, findings: Findings, runs: Iterable[Verdict]) -> Findings:
        """Refuse tests that wrote what they, or other tests, are held by, unless those of the base do the same."""
        rewritten = self._rewritten(runs)
        if not rewritten:
            return findings
        note = f"files that belong to the tests were written while they ran: {_listed(rewritten)}"
        return _refused(replace(findings, rewritten=rewritten), "tests-rewritten", note)

    def _rewritten(self, runs: Iterable[Verdict]) -> tuple[str, ...]:
        found = {path for run in runs for path in run.rewritten}
        if found:
            found -= set(self._base_verdict().rewritten)
        return tuple(sorted(found))

    def _with_hidden(self, base: TreeId, tree: TreeId, findings: Findings, *, green: bool) -> Findings:
        """Run the hidden tests over a green tree. Nothing of what that run prints leaves this function.

        The code under test can read the hidden files there and print their lines as names of tests, or as many results
        as it has something to say. So the status is told, and how many of the tests passed that the request names.
        """
        if not self.request.hidden or self.request.suite is not Suite.TEST or not green:
            return findings
        hidden_tree = with_hidden(self.store, base, tree, self.request.hidden)
        try:
            verdict = self.engine.aside(hidden_tree, Suite.TEST, base=self.warm.tree, stop=self.stop).verdict
            verdict, passed = (verdict, True) if verdict.green else self._excuse(hidden_tree, verdict)
        except InfrastructureError:
            # its words may name the tree, or hold what the hidden tests printed
            raise InfrastructureError("the hidden tests could not be judged", "judge it again, or elsewhere") from None
        status, note = (Status.GREEN, "") if passed else (verdict.status, "the hidden tests did not pass")
        expected = self.request.expected_hidden
        lacking = missing(expected or (), verdict.tests)
        if passed and lacking:
            status, note = Status.RED, "hidden tests that are expected were not seen to pass"
        elif passed and self._rewritten([verdict]):
            status, note = Status.RED, "files that belong to the tests were written while the hidden ones ran"
        elif passed and not expected and self._shows_nothing_new(findings.shown, verdict):
            status, note = Status.RED, "no test was seen to pass that the run without the hidden files did not show"
        hidden = HiddenResult(status=status)
        if expected is not None:
            hidden = HiddenResult(status=status, passed=len(expected) - len(lacking), failed=len(lacking))
        findings = replace(findings, hidden=hidden, seen_before=False)
        if status is Status.GREEN or findings.status is not Status.GREEN:
            return findings
        return replace(findings, status=status, reason="hidden-tests", note=note)

    def _shows_nothing_new(self, shown: Verdict, verdict: Verdict) -> bool:
        """Whether a green run with hidden tests showed none of them, though the toolchain names tests.

        The code under test can end a hidden program with success before its first test.
        """
        known = {*self._expected, *self.warm.tests, *(test.name for test in shown.tests)}
        passed = {test.name for test in verdict.tests if test.status is TestStatus.PASSED}
        return bool(known or verdict.tests) and passed <= known


def with_hidden(store: TreeStore, base: TreeId, tree: TreeId, hidden: Sequence[HiddenFile]) -> TreeId:
    """Return ``tree`` with the hidden files laid over it.

    What stands in their way gives way, and so does all that the edit put into a folder that is theirs alone, one that
    ``base`` does not have: a module there could stand in for the library that the hidden tests are written with.
    """
    changes: dict[str, Entry | None] = {}
    taken = {file.path for file in hidden}
    theirs = {folder for path in taken if (folder := _first_new_folder(store, base, path)) is not None}
    for path in store.files(tree) if theirs or any(_blocked(store, tree, path) for path in taken) else ():
        inside = any(path.startswith(f"{folder}/") for folder in theirs)
        in_the_way = any(other.startswith(f"{path}/") or path.startswith(f"{other}/") for other in taken)
        if inside or in_the_way:
            changes[path] = None
    for file in hidden:
        mode = Mode.EXECUTABLE if file.executable else Mode.FILE
        changes[file.path] = Entry(mode, store.write_blob(file.content.encode()))
    return store.update(tree, changes)


def _first_new_folder(store: TreeStore, base: TreeId, path: str) -> str | None:
    folders = [str(parent) for parent in PurePosixPath(path).parents][-2::-1]
    return next((folder for folder in folders if not store.is_folder(base, folder)), None)


def _blocked(store: TreeStore, tree: TreeId, path: str) -> bool:
    parents = [str(parent) for parent in PurePosixPath(path).parents][:-1]
    return store.is_folder(tree, path) or any(store.entry(tree, parent) is not None for parent in parents)


def _refused(findings: Findings, reason: str, note: str) -> Findings:
    """Turn green findings red; those that are not green have a reason of their own already."""
    if findings.status is not Status.GREEN:
        return findings
    return replace(findings, status=Status.RED, reason=reason, note=note)


def _worse(status: Status) -> Status:
    return Status.RED if status is Status.GREEN else status


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
