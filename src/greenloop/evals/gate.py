"""Requirements on the scores of a run, for continuous integration: ``fixed@1>=0.30``, ``same_shown.low>=0.2``."""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greenloop.evals.metrics import Metric
from greenloop.evals.scores import EvalReport
from greenloop.records import InputError

_FORM = re.compile(r"\s*(?P<name>[a-z0-9@_]+)(?:\.(?P<end>low|high))?\s*(?P<sign>>=|<=|>|<)\s*(?P<number>[^\s<>=]+)\s*")
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_WAY_OUT = "write NAME>=NUMBER, as 'fixed@1>=0.30'; also <=, > and <, and NAME.low or NAME.high for the interval"


@dataclass(frozen=True, slots=True)
class Requirement:
    """A bound on a score, or on an end of its interval (``end`` is ``low``, ``high`` or empty)."""

    text: str
    name: str
    end: str
    sign: str
    bound: float

    def fails(self, report: EvalReport) -> str:
        """Return why the run does not meet this, in one line, or an empty string."""
        score = report.score(self.name)
        if not score.tasks:
            return f"{self.text}: no task counts for {self.name}"
        value = score.value
        if self.end:
            if score.interval is None:
                return f"{self.text}: no honest interval can be given for {self.name}"
            value = getattr(score.interval, self.end)
        return "" if _SIGNS[self.sign](value, self.bound) else f"{self.text}: it is {value:.4f}"


def requirements(texts: Sequence[str], known: Sequence[Metric]) -> tuple[Requirement, ...]:
    """Read requirements before a run begins, whose scores will be ``known``.

    Raises ``InputError`` naming what cannot be read, the score that will not be there, or the bound outside 0 … 1.
    """
    return tuple(_requirement(text, [metric.name for metric in known]) for text in texts)


def failures(report: EvalReport, wanted: Sequence[Requirement]) -> tuple[str, ...]:
    """Return a line for each requirement that the run does not meet."""
    return tuple(why for one in wanted if (why := one.fails(report)))


def _requirement(text: str, known: Sequence[str]) -> Requirement:
    read = _FORM.fullmatch(text)
    if read is None:
        raise InputError(f"{text!r} is no requirement", _WAY_OUT)
    try:
        bound = float(read["number"])
    except ValueError as error:
        raise InputError(f"{text!r} requires {read['number']!r}, which is no number", _WAY_OUT) from error
    if not 0 <= bound <= 1:
        raise InputError(f"{text!r} requires {read['number']}, and scores lie between 0 and 1", "write 0.3 for 30 %")
    if read["name"] not in known:
        raise InputError(f"{text!r}: this run has no score {read['name']!r}", f"it has {', '.join(known)}")
    return Requirement(text.strip(), read["name"], read["end"] or "", read["sign"], bound)
