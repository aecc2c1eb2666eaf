"""Replies that no score excuses: a model that gives many of them is not promoted.

Looked for in every reply of a model: putting off what was asked ("I'll do it tomorrow", "left as an exercise", TODO),
saying nothing, changing nothing, giving back the example of the system prompt, and going round in circles; and over
all tasks, the same reply to different questions. Deferral counts where the reply itself puts it there: in what its edit
adds, or in its text where it holds no edit.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.evals.results import TaskResult
from greenloop.prompts.render import SYSTEM
from greenloop.records import DeleteFile, Edit, Part, RenameFile, ReplaceBlocks
from greenloop.workspace.edits import parse_reply

THRESHOLDS = {
    "deferral": 0.02,
    "empty": 0.10,
    "unchanged": 0.60,
    "example copied": 0.02,
    "loop": 0.05,
    "same reply": 0.25,
}
"""The largest share of each that is let pass. ``unchanged`` is high on purpose: a small model that is good for
something repeats the old lines in four of ten greedy replies, and such an answer is never shown."""
FEWEST = 2
"""One reply alone blocks nothing: it may be a chance."""
_WINDOW = 8
"""Words of a run that, said ``_TIMES`` times, is a circle. An honest block says the unchanged words twice."""
_TIMES = 4
_LONG = 40
"""Words of a reply from which circles are looked for."""
_CIRCLING = 0.5
"""Share of a reply's runs of words that are circles, above which it is one."""

_DEFERRAL = re.compile(
    r"\b(?:i'?ll|i will|we'?ll|we will|will)\s+(?:\w+\s+){0,3}?(?:later|tomorrow|soon|next time)\b"
    r"|\b(?:do|fix|implement|finish|add|complete)\s+(?:\w+\s+){0,2}?(?:later|tomorrow)\b"
    r"|\bleft\s+(?:as\s+an?\s+exercise|to\s+the\s+reader|for\s+later)\b|\bas\s+an\s+exercise\b"
    r"|\b(?:TODO|FIXME|TBD)\b|\bnot\s+(?:yet\s+)?implemented\b|\bunimplemented\b|\bto\s+be\s+(?:done|implemented)\b"
    r"|\byour\s+code\s+here\b|\bimplementation\s+goes\s+here\b|\brest\s+of\s+the\s+code\b",
    re.IGNORECASE,
)


class Degenerate(Part):
    """What was found. ``rates`` is kind → share of the replies (of the tasks, for ``same reply``)."""

    blocked: bool
    """Whether a model with such replies must not be promoted."""
    reasons: tuple[str, ...]
    """Sentences: which share is above its threshold, or that there was nothing to look at."""
    rates: dict[str, float]


def degenerate(results: Sequence[TaskResult]) -> Degenerate:
    """Look at all replies of scored tasks."""
    replies = [result.attempts[place] for result in results for place in result.replies]
    if not replies:
        return Degenerate(blocked=True, reasons=("there is no reply to look at",), rates={})
    counts = {name: sum(map(test, replies)) for name, test in _TESTS.items()}
    rates = {name: count / len(replies) for name, count in counts.items()}
    alike, tasks = _same_reply(results)
    counts["same reply"], rates["same reply"] = alike, alike / tasks if tasks else 0.0
    reasons = tuple(
        f"{name}: {rates[name]:.1%} of the {'tasks' if name == 'same reply' else 'replies'}, at most {most:.0%} may be"
        for name, most in THRESHOLDS.items()
        if rates[name] > most and counts[name] >= FEWEST
    )
    return Degenerate(
        blocked=bool(reasons), reasons=reasons, rates={name: round(rate, 4) for name, rate in rates.items()}
    )


def defers(attempt: Attempt) -> bool:
    """Whether a reply puts off what was asked."""
    return _DEFERRAL.search(_added(attempt)) is not None


def empty(attempt: Attempt) -> bool:
    """Whether a reply holds nothing, or an edit of nothing."""
    return not (attempt.reply or "").strip() or (attempt.edit is not None and not attempt.edit.files)


def unchanged(attempt: Attempt) -> bool:
    """Whether an edit gives back what was there."""
    return attempt.outcome is Outcome.UNCHANGED or "unchanged" in attempt.flags


def copies_example(attempt: Attempt) -> bool:
    """Whether a reply holds the example of the system prompt, its path or its lines."""
    text = attempt.reply or ""
    return _EXAMPLE_PATH in text or all(line in text for line in _EXAMPLE_LINES)


def circles(attempt: Attempt) -> bool:
    """Whether most of a reply is a run of words that it says again and again."""
    words = (attempt.reply or "").split()
    if len(words) < _LONG:
        return False
    runs = Counter(tuple(words[start : start + _WINDOW]) for start in range(len(words) - _WINDOW + 1))
    repeated = sum(count for count in runs.values() if count >= _TIMES)
    return repeated / runs.total() > _CIRCLING


def _example() -> tuple[str, tuple[str, ...]]:
    """The path and the lines of the example, read from the prompt itself."""
    (file,) = parse_reply(SYSTEM[SYSTEM.index("shopping/") : SYSTEM.index(">>>>") + 5]).files
    assert isinstance(file, ReplaceBlocks)
    (block,) = file.blocks
    return file.path, tuple(line for line in (block.search + block.replace).splitlines() if line)


_EXAMPLE_PATH, _EXAMPLE_LINES = _example()
_TESTS: dict[str, Callable[[Attempt], bool]] = {
    "deferral": defers,
    "empty": empty,
    "unchanged": unchanged,
    "example copied": copies_example,
    "loop": circles,
}


def _added(attempt: Attempt) -> str:
    if attempt.edit is None:
        return attempt.reply or ""
    return "\n".join(_lines(attempt.edit))


def _lines(edit: Edit) -> Iterable[str]:
    """The lines that an edit puts there and that its search text does not hold."""
    for file in edit.files:
        if isinstance(file, ReplaceBlocks):
            for block in file.blocks:
                held = set(block.search.splitlines())
                yield from (line for line in block.replace.splitlines() if line not in held)
        elif not isinstance(file, DeleteFile | RenameFile):
            yield from file.content.splitlines()


def _same_reply(results: Sequence[TaskResult]) -> tuple[int, int]:
    """Of how many tasks the first reply is the one that is given most often, blanks aside, and of how many in all.

    Of a few tasks nothing can be said: 0 of 0.
    """
    first = [" ".join((result.attempts[result.replies[0]].reply or "").split()) for result in results if result.replies]
    if len(first) < 5:
        return 0, 0
    most = Counter(first).most_common(1)[0][1]
    return (most if most > 1 else 0), len(first)
