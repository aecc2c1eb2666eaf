"""Applying, protecting, judging and assessing proposals."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greenloop.builds.fixed import assess
from greenloop.builds.judge import Judge
from greenloop.builds.landing import land
from greenloop.builds.protect import DEFAULT_GLOBS, where_it_fails
from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.candidates.source import Proposal
from greenloop.records import EditError, InfrastructureError, InputError, Status, Suite, TreeId, Verdict
from greenloop.workspace.edits import changed_lines, edit_between
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True, slots=True)
class Rules:
    """What a candidate may do, and how it is judged.

    ``suite``: how far a judgement goes. ``max_changed_lines``: a fix that changes more lines is none.
    ``protected``: globs (see ``builds.protect``) of the files that are put back before judging; empty where an edit
    may change tests and build files too. ``max_judged``: at most so many distinct trees are judged a question.
    """

    suite: Suite = Suite.CHECK
    max_changed_lines: int = 10
    protected: tuple[str, ...] = DEFAULT_GLOBS
    max_judged: int = 64

    def __post_init__(self) -> None:
        if self.max_judged < 0 or self.max_changed_lines < 1:
            raise InputError(
                f"the rules ask for {self.max_judged} judged trees and {self.max_changed_lines} changed lines",
                "no tree or more are judged, and a fix changes one line or more",
            )


def examine(
    store: TreeStore, judge: Judge, before: Verdict, proposals: Iterable[Proposal], rules: Rules, *, start: int = 0
) -> tuple[Attempt, ...]:
    """Return one attempt for each proposal, in order. ``before`` is the verdict on the tree that they change.

    Equal results are judged once. Where a judgement could not be made the attempt is ``unjudged`` and says why.
    ``start`` is the index of the first.
    """
    landed = [_land(store, before, index, proposal, rules) for index, proposal in enumerate(proposals, start)]
    wanted = dict.fromkeys(a.result for a in landed if a.outcome is Outcome.UNJUDGED and a.result is not None)
    verdicts = _verdicts(judge, list(wanted)[: rules.max_judged], rules.suite)
    return tuple(_finish(store, before, attempt, verdicts, rules) for attempt in landed)


def _land(store: TreeStore, before: Verdict, index: int, proposal: Proposal, rules: Rules) -> Attempt:
    """Apply a proposal and put back what is protected; what is left to judge comes out as ``UNJUDGED``."""
    bare = Attempt(
        index=index,
        source=proposal.label,
        outcome=Outcome.UNREADABLE,
        reply=proposal.reply,
        finish_reason=proposal.finish_reason,
        greedy=proposal.greedy,
        prompt_tokens=proposal.prompt_tokens,
        reply_tokens=proposal.reply_tokens,
        seconds=proposal.seconds,
        likelihood=proposal.likelihood,
    )
    base, edit = before.tree, proposal.edit
    if isinstance(edit, EditError):
        return bare.model_copy(update={"reason": edit.reason, "detail": str(edit)})
    try:
        landed = land(store, base, edit, protected=rules.protected, allowed=where_it_fails(before))
    except EditError as error:
        refused = {"outcome": Outcome.REFUSED, "edit": edit, "reason": error.reason, "detail": str(error)}
        return bare.model_copy(update=refused)
    result, restored = landed.result, landed.restored
    known = {
        # what was put back is no part of the edit any more
        "edit": edit_between(store, base, result) if restored and result != base else edit,
        "rung": landed.rung,
        "result": result,
        "restored": restored,
        # where nothing is left of the edit there is no code to mistrust
        "flags": landed.flags if result != base else landed.flags[: bool(restored)],
    }
    if result == base:
        outcome = Outcome.PROTECTED if restored else Outcome.UNCHANGED
        detail = f"only protected files were changed: {', '.join(restored)}" if restored else "the edit changes nothing"
        return bare.model_copy(
            update=known | {"outcome": outcome, "reason": outcome.value, "detail": detail, "verdict": before}
        )
    return bare.model_copy(update=known | {"outcome": Outcome.UNJUDGED})


def _verdicts(judge: Judge, trees: Sequence[TreeId], suite: Suite) -> dict[TreeId, Verdict | InfrastructureError]:
    if not trees:
        return {}
    try:
        return dict(judge.judge_many(trees, suite))
    except InfrastructureError:
        # one candidate that the machine could not judge says nothing about the others
        return {tree: _one(judge, tree, suite) for tree in trees}


def _one(judge: Judge, tree: TreeId, suite: Suite) -> Verdict | InfrastructureError:
    try:
        return judge.judge(tree, suite)
    except InfrastructureError as error:
        return error


def _finish(
    store: TreeStore,
    before: Verdict,
    attempt: Attempt,
    verdicts: dict[TreeId, Verdict | InfrastructureError],
    rules: Rules,
) -> Attempt:
    if attempt.outcome is not Outcome.UNJUDGED or attempt.result is None:
        return attempt
    base, result = before.tree, attempt.result
    after = verdicts.get(result)
    if not isinstance(after, Verdict):
        unjudged: dict[str, object] = {
            "changed_lines": changed_lines(store, base, result),
            "reason": "bound" if after is None else "fault",
            "detail": f"only {rules.max_judged} candidates are judged" if after is None else str(after),
        }
        return attempt.model_copy(update=unjudged)
    known = _red(store, before, after, rules) if before.status is Status.RED else _not_red(store, before, after)
    return attempt.model_copy(update=known | {"outcome": Outcome.JUDGED, "verdict": after})


def _red(store: TreeStore, before: Verdict, after: Verdict, rules: Rules) -> dict[str, object]:
    if not before.errors and not after.green:
        # nothing names the error, so only green can show that it is gone
        size = changed_lines(store, before.tree, after.tree)
        return {"changed_lines": size, "reason": "error-left", "detail": f"the tree is {after.status}"}
    found = assess(store, before.tree, after.tree, before, after, max_changed_lines=rules.max_changed_lines)
    reason = ""
    if not found.fixed:
        tests = (
            (not found.error_gone, "error-left"),
            (not found.names_kept, "name-removed"),
            (found.changed_lines > rules.max_changed_lines, "too-large"),
        )
        reason = next((word for holds, word in tests if holds), "") or next(iter(found.flags), "other")
    return {"fixed": found.fixed, "changed_lines": found.changed_lines, "reason": reason, "detail": found.reason}


def _not_red(store: TreeStore, before: Verdict, after: Verdict) -> dict[str, object]:
    """A tree that was not red has nothing to fix; one that the edit turns red was broken by it."""
    broken = before.green and not after.green
    message = after.errors[0].message.partition("\n")[0] if after.errors else after.note
    return {
        "changed_lines": changed_lines(store, before.tree, after.tree),
        "reason": "breaks" if broken else "",
        "detail": f"the tree was green before: {message or after.status.value}" if broken else "",
    }
