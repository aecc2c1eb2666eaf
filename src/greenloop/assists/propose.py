"""The turn that every ability shares: candidates from all sources, judged, ranked, each with its badge."""

from collections.abc import Sequence

from greenloop.assists.suggestion import suggestion
from greenloop.assists.turn import Turn
from greenloop.builds.judge import Judge
from greenloop.candidates.attempt import Attempt
from greenloop.candidates.examine import Rules, examine
from greenloop.candidates.ranking import distinct, ranked
from greenloop.candidates.searching import Search, searched
from greenloop.candidates.source import Proposal, Source
from greenloop.candidates.weighing import Weigher
from greenloop.prompts.question import Question
from greenloop.records import InfrastructureError, InputError, ModelError, Suite, Verdict
from greenloop.workspace.store import TreeStore

MAX_CONFIRMED = 4
"""So many of the best green candidates are judged by the higher suite."""


def propose(
    store: TreeStore,
    judge: Judge,
    question: Question,
    before: Verdict,
    *,
    sources: Sequence[Source],
    rules: Rules,
    searches: Sequence[Search] = (),
    weigher: Weigher | None = None,
    confirm: Suite | None = None,
) -> Turn:
    """Ask every source, judge what they give, search as far as it pays, let ``weigher`` say which fixes are likely, and
    return the turn with its suggestions, best first.

    ``before`` is the verdict on ``question.tree`` under ``rules.suite``. With ``confirm`` the best ones that are green
    are judged by that suite too, and carry that verdict. A source whose model fails is told in ``faults`` while
    another gave something; raises its ``ModelError`` when none did.
    """
    if before.tree != question.tree:
        raise InputError("the verdict belongs to another tree than the question")
    proposals: list[Proposal] = []
    failures: list[ModelError] = []
    for source in sources:
        try:
            proposals.extend(source.proposals(store, question))
        except ModelError as error:
            failures.append(error)
    attempts = examine(store, judge, before, proposals, rules)
    for search in searches:
        row = search.source.proposals(store, question)
        attempts += searched(store, judge, before, row, rules, search, start=len(attempts))
    if failures and not attempts:
        raise failures[0]
    if weigher is not None:
        try:
            attempts = weigher.weighed(store, question, attempts)
        except ModelError as error:
            # what was found stands, in the order that it has without the model's word
            failures.append(error)
    best = ranked(distinct(attempts))
    faults = [str(error) for error in failures]
    if confirm is not None and confirm is not rules.suite:
        best, fault = _confirmed(judge, best, confirm)
        faults += fault
    suggestions = tuple(
        suggestion(attempt, base=question.tree, toolchain=judge.fingerprint, suite=rules.suite) for attempt in best
    )
    return Turn(question, before, suggestions, attempts, tuple(faults))


def _confirmed(judge: Judge, attempts: Sequence[Attempt], suite: Suite) -> tuple[tuple[Attempt, ...], list[str]]:
    """Judge the best green ones by a higher suite, and rank anew: a change that fails its tests is no fix."""
    green = [attempt for attempt in attempts if attempt.verdict is not None and attempt.verdict.green]
    wanted = [attempt.result for attempt in green[:MAX_CONFIRMED] if attempt.result is not None]
    try:
        verdicts = judge.judge_many(wanted, suite) if wanted else {}
    except InfrastructureError as error:
        # what the lower suite found still holds, and the badge claims no more than that
        return tuple(attempts), [f"the suite `{suite.value}` could not be run: {error}"]
    judged = [
        attempt.model_copy(
            update={"verdict": verdict, "fixed": attempt.fixed and verdict.green}
            | ({} if verdict.green else {"reason": "suite", "detail": f"not green under the suite `{suite.value}`"})
        )
        if attempt.result is not None and (verdict := verdicts.get(attempt.result)) is not None
        else attempt
        for attempt in attempts
    ]
    return ranked(judged), []
