"""What shows that a model games its reward: shares of a batch, a curve each."""

from collections.abc import Callable, Sequence

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.records import ReplaceBlocks, Stage
from greenloop.training.rewards import Judged
from greenloop.workspace.syntax import language_of
from greenloop.workspace.tokens import tokens

WATCHED = (
    "reward", "fixed", "fixed_whole", "same", "exact", "parses", "types", "applies", "unchanged", "stubs", "deletions",
    "shrinking", "reply_tokens", "cut_off", "dropped", "unjudged",
)  # fmt: skip
"""``reward``: the mean. Shares of the judged replies: ``fixed`` (clean), ``exact``, ``parses``, ``types``, ``applies``
literally, ``unchanged``, ``stubs``, ``deletions`` alone, ``shrinking`` (applied, fewer tokens than before) and
``cut_off``. ``fixed_whole`` and ``same``: of whole-file tasks alone, what a compiler sees beside what the program does;
a gap that grows is the alarm. ``reply_tokens``: the mean length. ``dropped``: share of groups without variance.
``unjudged``: of replies."""


def watch(
    groups: Sequence[Sequence[Judged | None]],
    rewards: Sequence[Sequence[float | None]],
    *,
    dropped: int,
) -> dict[str, float]:
    """Return the values of ``WATCHED`` for one batch; what no reply of it can tell is left out."""
    every = [one for group in groups for one in group]
    known = [one for one in every if one is not None and one.known]
    paid = [reward for group in rewards for reward in group if reward is not None]
    whole = [one for one in known if one.marks.same is not None]
    answered = [one for one in known if one.marks.exact is not None]

    def share(of: Sequence[Judged], test: Callable[[Judged], object]) -> float | None:
        return sum(bool(test(one)) for one in of) / len(of) if of else None

    found = {
        "reward": sum(paid) / len(paid) if paid else None,
        "fixed": share(known, lambda one: one.clean),
        "fixed_whole": share(whole, lambda one: one.clean),
        "same": share(whole, lambda one: one.marks.same),
        "exact": share(answered, lambda one: one.marks.exact),
        "parses": share(known, lambda one: one.passed(Stage.PARSE)),
        "types": share(known, lambda one: one.passed(Stage.TYPES)),
        "applies": share(known, lambda one: one.attempt.exact),
        "unchanged": share(
            known, lambda one: one.attempt.outcome is Outcome.UNCHANGED or "unchanged" in one.attempt.flags
        ),
        "stubs": share(known, lambda one: not {"stub", "unsafe", "raises"}.isdisjoint(one.attempt.flags)),
        "deletions": share(known, lambda one: "deletion" in one.attempt.flags),
        "shrinking": share(known, lambda one: one.attempt.applies and shrinks(one.attempt)),
        "reply_tokens": sum(one.attempt.reply_tokens for one in known) / len(known) if known else None,
        "cut_off": share(known, lambda one: one.attempt.finish_reason == "length"),
        "dropped": dropped / len(groups) if groups else None,
        "unjudged": 1 - len(known) / len(every) if every else None,
    }
    return {name: value for name in WATCHED if (value := found[name]) is not None}


def shrinks(attempt: Attempt) -> bool:
    """Whether an edit leaves fewer tokens than it found; comments and layout do not count."""
    gain = 0
    for file in attempt.edit.files if attempt.edit is not None else ():
        if isinstance(file, ReplaceBlocks):
            language = language_of(file.path)
            for block in file.blocks:
                new, old = (
                    len(tokens(side.encode("utf-8", "replace"), language)) for side in (block.replace, block.search)
                )
                gain += new - old
    return gain < 0
