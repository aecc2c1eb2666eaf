"""One turn, from the request to its last event, in the thread that calls ``run``.

    tree with the buffers over it ─> verdict on it ─┐
                     └─> context ─> model, streamed ┴─> each proposal judged as it comes ─> told, best first
                                                            └─ all red: back to the model with the errors, then search

The verdict on the tree is not waited for where the errors are known already: the model is asked meanwhile.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.faults import fault_of
from greenloop.aid.protocol.session import Problem
from greenloop.aid.protocol.turns import (
    Fault,
    Outcome,
    Stage,
    TurnCandidate,
    TurnDelta,
    TurnEnded,
    TurnProgress,
)
from greenloop.aid.tools.for_models import Called, Offer
from greenloop.aid.turns.asking import asking_of
from greenloop.aid.turns.crew import Crew
from greenloop.aid.turns.handover import Ground
from greenloop.aid.turns.journal import Journal
from greenloop.aid.turns.judging import UNTRUSTED, Before, Judged, Judging, Landed
from greenloop.aid.turns.pool import Suggestions
from greenloop.aid.turns.presenting import Known, shown, unverified
from greenloop.aid.turns.request import Asked, Taken, focus_of, take
from greenloop.aid.turns.sent import Sent, Talk
from greenloop.aid.turns.wording import account, summary
from greenloop.aid.workspaces.equipment import Strategy
from greenloop.aid.workspaces.workspace import Workspace, problems
from greenloop.builds.stop import Stop
from greenloop.candidates.attempt import Attempt
from greenloop.candidates.source import Proposal
from greenloop.candidates.streaming import Complete, Piece, Switched
from greenloop.prompts.question import Question
from greenloop.records import (
    Cancelled,
    GreenloopError,
    InfrastructureError,
    ModelError,
    Refused,
    Severity,
    Status,
    Verdict,
)
from greenloop.workspace.store import TreeStore

MOST_PROBLEMS = 20
"""So many errors of the code that was asked about are told with the end of a turn."""
_log = logging.getLogger(__name__)

_Found = Before | Judged | Landed | Piece | Complete | Switched | Called


class Turn:
    """See the module. ``tell`` is called from the thread that runs the turn alone."""

    def __init__(
        self,
        asked: Asked,
        workspace: Workspace,
        strategy: Strategy,
        store: TreeStore,
        journal: Journal,
        stop: Stop,
        tell: Callable[..., None],
        *,
        words: str,
        offer: Offer | None = None,
    ) -> None:
        """``words`` is what the log of feedback may keep of what the person typed; ``offer``: the model's tools."""
        self.asked = asked
        self._workspace = workspace
        self._strategy = strategy
        self._store = store
        self._journal = journal
        self._stop = stop
        self._tell = tell
        self._words = words
        self._crew: Crew[_Found] = Crew(stop, f"greenloop-{asked.turn}")
        self._before: Verdict | None = None
        self._waiting: list[tuple[Proposal, int]] = []
        self._count = 0
        self._candidates = 0
        self._spoke = False
        self._failed: list[ModelError] = []
        self._judging: Judging | None = None
        self._problems: tuple[Problem, ...] = ()
        self._asking = asking_of(store, workspace, strategy, asked.earlier, offer, stop, self._crew.tell)
        self.taken: Taken | None = None
        self.suggestions: Suggestions | None = None

    @property
    def _model_name(self) -> str:
        return self._strategy.model.name if self._strategy.model is not None else ""

    @property
    def sent(self) -> tuple[Sequence[Sent], Talk]:
        """What the model was sent, in order, and what it was told of tools."""
        return ((), Talk()) if self._asking is None else (tuple(self._asking.sent), self._asking.talk)

    def order(self) -> tuple[Known, ...]:
        """Return its suggestions by now, best first."""
        return self.suggestions.order if self.suggestions is not None else ()

    def ground(self) -> Ground:
        """Return what it is about; only asked for once there are suggestions."""
        assert self.taken is not None
        return Ground(self.taken.disk, self.taken.question.tree)

    def run(self, keep: Callable[[], None] = lambda: None) -> Outcome:
        """Make the turn; its last event has been told when this returns. Never raises an error on purpose.

        ``keep`` keeps what was said, before the end is told: who hears of it may ask for the conversation.
        """
        outcome, told = Outcome.FAILED, ""
        fault: Fault | None = Fault(code="internal", message="a mistake in Greenloop: see the log", way_out="report it")
        try:
            told = self._make()
            outcome, fault = Outcome.DONE, None
        except Cancelled:
            outcome, fault = Outcome.CANCELLED, None
        except GreenloopError as error:
            fault = fault_of(error)
        finally:
            ended = TurnEnded(
                turn=self.asked.turn,
                outcome=outcome,
                order=tuple(known.id for known in self.order()),
                summary=told,
                text=self.text,
                fault=fault,
                account=account(self._before, self._problems, self.suggestions),
            )
            self._tell_end(ended, keep)
            # a turn that failed has judgements and a model at work, too
            self._stop.request()
            self._crew.close()
            if self.taken is not None:
                self._journal.ended(outcome.value, fault.code if fault is not None else "")
        return outcome

    def _make(self) -> str:
        self._progress(Stage.READING, "reading the workspace")
        params = self.asked.params
        taken = self.taken = take(self._store, self._workspace, params, self.asked.encoding)
        for note in taken.notes:
            self._progress(Stage.READING, note)
        tree = taken.question.tree
        self.suggestions = Suggestions(self._store, tree, self._model_name)
        build = self._workspace.build(taken.disk)
        if build is None and params.kind == "fix" and not taken.told:
            raise Refused("untrusted", f"{self._workspace.root}: {UNTRUSTED}", "trust it: `greenloop aid trust`")
        judging = self._judging = Judging(self._store, self._workspace, build, tree, self._stop)
        question = taken.question
        unknown = params.kind == "fix" and not any(one.severity is Severity.ERROR for one in question.diagnostics)
        if not unknown:
            # the model's answer takes longest, so nothing is begun before the request is on its way
            self._ask(question)
        self._crew.begin(judging.before, self._raise)
        if unknown:
            self._progress(Stage.CHECKING, "checking the present code")
            told = self._await_before().diagnostics
            focus = focus_of(self._store, tree, told, *question.focus)
            question = replace(question, diagnostics=told, focus=focus)
            if not self._nothing_to_fix():
                self._ask(question)
        self._journal.requested(tree, self._words)
        self._work()
        if self._nothing_to_fix():
            return "The code is green: there is nothing to fix."
        self._repair()
        self._search(question)
        self._confirm()
        if self._failed and not self.suggestions.attempts:
            raise self._failed[0]
        return summary(self._before, self.suggestions, [*map(str, self._failed)])

    def _tell_end(self, ended: TurnEnded, keep: Callable[[], None]) -> None:
        try:
            keep()
        except GreenloopError as error:
            self._progress(Stage.JUDGING, f"what was said is not kept: {error}")
        finally:
            self._tell(catalogue.TURN_ENDED, ended)

    def _nothing_to_fix(self) -> bool:
        return self.asked.params.kind == "fix" and self._before is not None and self._before.green

    def _progress(self, stage: Stage, text: str) -> None:
        self._tell(catalogue.TURN_PROGRESS, TurnProgress(turn=self.asked.turn, stage=stage, text=text))

    def _raise(self, error: GreenloopError) -> None:
        raise error

    @property
    def _tree(self) -> str:
        assert self.taken is not None
        return self.taken.question.tree

    def _await_before(self) -> Verdict:
        while self._before is None:
            self._take(self._crew.next())
        return self._before

    # -- the model

    def _ask(self, question: Question) -> None:
        if self._asking is None:
            return
        self._progress(Stage.ASKING, "asking the model")
        self._crew.begin(self._asking.first(question, self._stop), self._model_failed)

    def _model_failed(self, error: GreenloopError) -> None:
        # what a model says of itself names it, and with it the arm of an experiment: then only the log has it
        if not isinstance(error, ModelError):
            raise error
        if self._strategy.arms:
            _log.warning("%s: %s", self.asked.turn, error)
            error = ModelError("the model gave no usable answer", "ask again; `greenloop aid logs` says why")
        self._failed.append(error)
        self._progress(Stage.ASKING, str(error))

    def _switched(self, why: str) -> None:
        if self._strategy.arms:
            _log.warning("%s: %s", self.asked.turn, why)
            why = "the model gave no usable answer: another is asked"
        self._progress(Stage.ASKING, why)

    # -- what comes

    def _work(self, repaired: int = 0) -> None:
        """Take what comes until all that was begun has ended."""
        while self._crew.working:
            self._take(self._crew.next(), repaired)
            if self._nothing_to_fix():
                return

    def _take(self, found: _Found | None, repaired: int = 0) -> None:
        match found:
            case Before(verdict):
                self._known_before(verdict)
            case Piece(candidate, text, thought):
                self._piece(candidate, text, thought=thought)
            case Called(tool, _, why):
                said = f"{tool} was not called: {why}" if why else f"the model called {tool}"
                self._progress(Stage.ASKING, said)
            case Switched(why):
                self._switched(why)
            case Complete(candidate, proposal):
                self._candidates = max(self._candidates, candidate + 1)
                self._proposed(proposal, repaired)
            case Landed(attempt):
                self._first(attempt)
            case Judged(attempts, rounds):
                self._judged(attempts, rounds)
            case None:
                pass

    def _known_before(self, verdict: Verdict) -> None:
        self._before = verdict
        self._problems = problems(self._store, self._tree, verdict.errors[:MOST_PROBLEMS], self.asked.encoding)
        if self._nothing_to_fix():
            return
        assert self.taken is not None
        question = replace(self.taken.question, diagnostics=verdict.diagnostics)
        for source in self._strategy.sources:
            for proposal in source.proposals(self._store, question):
                self._proposed(proposal, 0)
        waiting, self._waiting = self._waiting, []
        for proposal, repaired in waiting:
            self._proposed(proposal, repaired)

    def _piece(self, candidate: int, text: str, *, thought: bool) -> None:
        if not self._spoke:
            self._spoke = True
            self._journal.first_token()
        self._candidates = max(self._candidates, candidate + 1)
        delta = TurnDelta(turn=self.asked.turn, candidate=candidate, text=text, thought=thought)
        self._tell(catalogue.TURN_DELTA, delta)

    def _proposed(self, proposal: Proposal, repaired: int) -> None:
        """Have a proposal judged, once the tree that it changes is."""
        if self._before is None:
            self._waiting.append((proposal, repaired))
            return
        index, before = self._count, self._before
        self._count += 1
        if index == 0:
            self._progress(Stage.JUDGING, "checking what was proposed")
        judging = self._judging
        assert judging is not None
        rules = judging.rules(before, asked_for=self.asked.params.kind == "ask")
        work = partial(judging.judged, before, proposal, rules, index, repaired)
        if index == 0:
            landed = partial(judging.landed, before, proposal, rules, index)
            self._crew.begin(lambda: chain(landed(), work()), self._raise)
        else:
            self._crew.begin(work, self._raise)

    def _first(self, attempt: Attempt) -> None:
        """Show the first one at once, marked: the check takes a while."""
        assert self.suggestions is not None
        if attempt.result is None or attempt.result == self._tree or self.suggestions.order:
            return
        lone = Suggestions(self._store, self._tree, self._model_name)
        lone.add(attempt)
        for known in lone.order:
            marked = unverified(known, "being checked")
            self.suggestions.told(marked)
            self._tell_of(marked, 0)

    def _judged(self, attempts: tuple[Attempt, ...], repaired: int) -> None:
        assert self.suggestions is not None
        self.suggestions.add(*attempts, repaired=repaired)
        for attempt in attempts:
            known = self.suggestions.of(attempt)
            self._journal.proposed(
                attempt, known.id if known is not None else "", known.badge if known is not None else None
            )
        self._tell_news()

    def _tell_news(self) -> None:
        assert self.suggestions is not None
        for standing in self.suggestions.news():
            self._tell_of(standing.known, standing.rank)

    def _tell_of(self, known: Known, rank: int) -> None:
        self._journal.first_diff(known.badge)
        proposed = shown(self._store, known, self.asked.encoding)
        self._tell(catalogue.TURN_CANDIDATE, TurnCandidate(turn=self.asked.turn, suggestion=proposed, rank=rank))

    # -- when nothing is good yet

    def _repair(self) -> None:
        """Give red suggestions back to the model with the compiler's message, a few rounds, within some seconds."""
        assert self.suggestions is not None
        strategy = self._strategy
        deadline = time.monotonic() + strategy.repair_seconds
        for number in range(1, strategy.repair_rounds + 1):
            attempt = self.suggestions.to_repair()
            if attempt is None or self._asking is None or self._failed or time.monotonic() >= deadline:
                return
            why, streaming = self._asking.again(attempt, self._stop, start=self._candidates)
            self._progress(Stage.REPAIRING, f"{why}: asking again")
            self._crew.begin(streaming, self._model_failed)
            self._work(number)

    def _search(self, question: Question) -> None:
        """Search among small edits near the error, where nothing else has fixed it."""
        assert self.suggestions is not None
        judging, before = self._judging, self._before
        if judging is None or judging.build is None or before is None or before.status is not Status.RED:
            return
        if self.asked.params.kind != "fix":
            return
        question = replace(question, diagnostics=before.diagnostics)
        for search in self._strategy.searches:
            if self.suggestions.fixed:
                return
            self._progress(Stage.JUDGING, "searching among small changes near the error")
            self._crew.begin(partial(judging.searched, before, question, search, self._count), self._raise)
            self._count += search.max_checks
            self._work()

    def _confirm(self) -> None:
        """Judge the best one, if it is green, by the higher suite too, where there is one."""
        assert self.suggestions is not None
        build = self._judging.build if self._judging is not None else None
        if build is None or build.confirm is None or build.confirm is build.rules.suite or not self.suggestions.order:
            return
        best = self.suggestions.order[0].attempt
        if best.verdict is None or not best.verdict.green:
            return
        assert self._judging is not None
        self._progress(Stage.JUDGING, f"running the suite `{build.confirm.value}`")
        work = partial(self._judging.confirmed, (best,), build.confirm)
        # what the lower suite found still holds, and the badge claims no more than that
        self._crew.begin(work, self._unconfirmed)
        self._work()

    def _unconfirmed(self, error: GreenloopError) -> None:
        if not isinstance(error, InfrastructureError):
            raise error
        self._progress(Stage.JUDGING, str(error))

    @property
    def text(self) -> str:
        """What the model said where it said something and changed nothing."""
        if self.suggestions is None or self.suggestions.order:
            return ""
        return next((one.reply for one in self.suggestions.attempts if one.reply), "")
