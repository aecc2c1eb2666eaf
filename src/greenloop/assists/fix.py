"""Repairing what is red."""

from collections.abc import Sequence

from greenloop.assists.propose import propose
from greenloop.assists.turn import Turn
from greenloop.builds.judge import Judge
from greenloop.candidates.examine import Rules
from greenloop.candidates.searching import Search
from greenloop.candidates.source import Source
from greenloop.candidates.weighing import Weigher
from greenloop.mining.prompting.wordings import COMMONEST
from greenloop.prompts.question import Question
from greenloop.records import Status, Suite, TreeId
from greenloop.workspace.store import TreeStore

PROMPT = COMMONEST
"""The person's words: those that stand most often in the examples that a model learns from."""


def fix(
    store: TreeStore,
    judge: Judge,
    tree: TreeId,
    *,
    sources: Sequence[Source],
    rules: Rules,
    searches: Sequence[Search] = (),
    focus: tuple[str, ...] = (),
    weigher: Weigher | None = None,
    confirm: Suite | None = None,
) -> Turn:
    """Judge ``tree``, and when it is red ask every source, and every search, to fix its first error.

    A green tree asks nobody: the turn then holds its verdict and no attempts. So does one whose judgement ended
    without saying what is wrong (``timeout``, ``rejected``): there is no error to ask about. Raises
    ``InfrastructureError`` when the tree itself cannot be judged, and what ``propose`` raises.
    """
    before = judge.judge(tree, rules.suite)
    question = Question(tree, PROMPT, before.diagnostics, focus)
    if before.status is not Status.RED:
        return Turn(question, before)
    return propose(
        store,
        judge,
        question,
        before,
        sources=sources,
        rules=rules,
        searches=searches,
        weigher=weigher,
        confirm=confirm,
    )
