"""Asking for a change in words."""

from collections.abc import Sequence

from greenloop.assists.propose import propose
from greenloop.assists.turn import Turn
from greenloop.builds.judge import Judge
from greenloop.candidates.examine import Rules
from greenloop.candidates.searching import Search
from greenloop.candidates.source import Source
from greenloop.candidates.weighing import Weigher
from greenloop.prompts.question import Question
from greenloop.records import InputError, Suite, TreeId
from greenloop.workspace.store import TreeStore


def ask(
    store: TreeStore,
    judge: Judge,
    tree: TreeId,
    words: str,
    *,
    sources: Sequence[Source],
    rules: Rules,
    searches: Sequence[Search] = (),
    focus: tuple[str, ...] = (),
    weigher: Weigher | None = None,
    confirm: Suite | None = None,
) -> Turn:
    """Judge ``tree``, ask every source for what ``words`` say, and judge what they give.

    The tree may be green or red; what is wrong with it is part of the question. Raises ``InputError`` when ``words``
    are empty, ``InfrastructureError`` when the tree itself cannot be judged, and what ``propose`` raises.
    """
    if not words.strip():
        raise InputError("nothing was asked", 'say what should change: greenloop ask "…"')
    before = judge.judge(tree, rules.suite)
    question = Question(tree, words.strip(), before.diagnostics, focus)
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
