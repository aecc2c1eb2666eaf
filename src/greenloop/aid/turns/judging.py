"""The judgements of one turn: of the tree that was asked about, of each proposal, of a search, of the best by more."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from greenloop.aid.workspaces.equipment import Build
from greenloop.aid.workspaces.workspace import Workspace
from greenloop.builds.judge import Judge, Progress
from greenloop.builds.stop import Stop
from greenloop.candidates.attempt import Attempt
from greenloop.candidates.examine import Rules, examine
from greenloop.candidates.searching import Search, searched
from greenloop.candidates.source import Proposal
from greenloop.prompts.question import Question
from greenloop.records import InfrastructureError, Status, Suite, TreeId, Verdict
from greenloop.workspace.store import TreeStore

UNTRUSTED = "the workspace is not trusted, so nothing is built"


@dataclass(frozen=True)
class Before:
    """The verdict on the tree that was asked about; of status ``infra_error`` where none could be reached."""

    verdict: Verdict


@dataclass(frozen=True)
class Judged:
    """Proposals that came to their ends, after ``repaired`` rounds with the compiler's message."""

    attempts: tuple[Attempt, ...]
    repaired: int = 0


@dataclass(frozen=True)
class Landed:
    """A first proposal, laid on the tree, while it is being judged."""

    attempt: Attempt


class _NoJudge:
    """Judges nothing, because the workspace is not trusted."""

    fingerprint = ""

    def until(self, stop: Stop) -> "Judge":  # noqa: ARG002 - the seam's
        return self

    def judge(self, tree: TreeId, suite: Suite) -> Verdict:  # noqa: ARG002
        raise InfrastructureError(UNTRUSTED)

    def judge_many(
        self,
        trees: Iterable[TreeId],
        suite: Suite,
        progress: Progress | None = None,  # noqa: ARG002
    ) -> dict[TreeId, Verdict]:
        return {tree: self.judge(tree, suite) for tree in trees}

    def confirm(
        self,
        trees: Iterable[TreeId],  # noqa: ARG002
        suite: Suite,  # noqa: ARG002
        times: int,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002
    ) -> frozenset[TreeId]:
        raise InfrastructureError(UNTRUSTED)


class Judging:
    """Each method is work for a thread of its own; all end with ``Cancelled`` once ``stop`` is requested."""

    def __init__(self, store: TreeStore, workspace: Workspace, build: Build | None, tree: TreeId, stop: Stop) -> None:
        self._store = store
        self._workspace = workspace
        self._tree = tree
        self._stop = stop
        self.build = build

    @property
    def _judge(self) -> Judge:
        return self._workspace.judge(self.build, self._stop) if self.build is not None else _NoJudge()

    def before(self) -> Iterator[Before]:
        """Judge the tree that was asked about."""
        suite = self.build.rules.suite if self.build is not None else Suite.CHECK
        try:
            yield Before(self._judge.judge(self._tree, suite))
        except InfrastructureError as error:
            # nothing is known of it: what is proposed can still be shown, with its own badge
            note = str(error)
            yield Before(Verdict(tree=self._tree, toolchain="", suite=suite, status=Status.INFRA_ERROR, note=note))

    def rules(self, before: Verdict, *, asked_for: bool) -> Rules:
        """Return what a proposal may do. ``asked_for``: a person asked for it in words.

        A person may ask for a test or a build file. Where something is red, changing these is the cheap way out.
        """
        rules = self.build.rules if self.build is not None else Rules()
        return replace(rules, protected=()) if asked_for and before.status is not Status.RED else rules

    def landed(self, before: Verdict, proposal: Proposal, rules: Rules, index: int) -> Iterator[Landed]:
        """Lay a proposal on the tree, and judge nothing."""
        unjudged = replace(rules, max_judged=0)
        yield from map(Landed, examine(self._store, _NoJudge(), before, [proposal], unjudged, start=index))

    def judged(self, before: Verdict, proposal: Proposal, rules: Rules, index: int, repaired: int) -> Iterator[Judged]:
        """Judge a proposal."""
        yield Judged(examine(self._store, self._judge, before, [proposal], rules, start=index), repaired)

    def searched(self, before: Verdict, question: Question, search: Search, start: int) -> Iterator[Judged]:
        """Search as far as it pays."""
        assert self.build is not None
        row = search.source.proposals(self._store, question)
        yield Judged(searched(self._store, self._judge, before, row, self.build.rules, search, start=start))

    def confirmed(self, attempts: Sequence[Attempt], suite: Suite) -> Iterator[Judged]:
        """Judge attempts by a higher suite: a change that fails its tests is no fix."""
        for attempt in attempts:
            assert attempt.result is not None
            verdict = self._judge.judge(attempt.result, suite)
            known: dict[str, object] = {"verdict": verdict, "fixed": attempt.fixed and verdict.green}
            if not verdict.green:
                known |= {"reason": "suite", "detail": f"not green under the suite `{suite.value}`"}
            yield Judged((attempt.model_copy(update=known),))
