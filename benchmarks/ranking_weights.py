"""Fit the weights by which fixes are ranked, to runs of `greenloop eval run --with-search`.

    python benchmarks/ranking_weights.py RUN [RUN ...] [--penalty 0.02] [--folds 5] [--json]

A task counts where one of its best-ranked fixes (honest, and as green as any) is right and another is not: right is
*same* where the task has it, else *exact*. A conditional logit over the fixes of a task, with an L2 penalty towards the
present weights, by L-BFGS. What the weights are worth is told by authors in turn: those of a fold are ranked by weights
that were fitted to the others. Read only runs on tasks of which the model was not trained, and report on others still.
The weights go to ``WEIGHTS`` in ``src/greenloop/candidates/ranking.py``.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import logsumexp

from greenloop.candidates.attempt import Attempt
from greenloop.candidates.ranking import WEIGHTS, distinct, features
from greenloop.evals.results import Marks, ResultsFolder, TaskResult

NAMES = tuple(WEIGHTS)


@dataclass(frozen=True)
class Choice:
    """The fixes of one task among which a person would choose: a row of features each, and which of them are right."""

    author: str
    rows: NDArray[np.float64]
    right: NDArray[np.bool_]
    whole: bool
    """Whether right is *same*."""

    @property
    def open(self) -> bool:
        """Whether the order decides."""
        return bool(self.right.any() and not self.right.all())


def choice(result: TaskResult) -> Choice | None:
    """Return the fixes that stand before all others whatever the weights; ``None`` where there is none."""
    marks = dict(zip((one.index for one in result.attempts), result.marks, strict=True))
    fixes = [one for one in distinct(result.attempts) if one.fixed and not one.flags]
    fixes = [one for one in fixes if one.exact] or fixes
    fixes = [one for one in fixes if _green(one)] or fixes
    if not fixes:
        return None
    rows = np.array([[features(one)[name] for name in NAMES] for one in fixes])
    right = np.array([_right(marks[one.index]) for one in fixes])
    return Choice(result.author, rows, right, result.whole and not result.quarantined)


def _green(attempt: Attempt) -> bool:
    return attempt.verdict is not None and attempt.verdict.green


def _right(marks: Marks) -> bool:
    return bool(marks.exact if marks.same is None else marks.same)


def fitted(choices: Sequence[Choice], penalty: float) -> NDArray[np.float64]:
    """Return the weights that make what is right likeliest."""
    start = np.array([WEIGHTS[name] for name in NAMES])
    told = [one for one in choices if one.open]

    def loss(weights: NDArray[np.float64]) -> float:
        lost = 0.0
        for one in told:
            scores = one.rows @ weights
            lost += float(logsumexp(scores) - logsumexp(scores[one.right]))
        return lost / max(1, len(told)) + penalty * float(np.sum((weights - start) ** 2))

    return np.asarray(minimize(loss, start, method="L-BFGS-B").x)


def hits(choices: Sequence[Choice], weights: NDArray[np.float64]) -> int:
    """Return of how many tasks the first by ``weights`` is right."""
    return sum(bool(one.right[int(np.argmax(one.rows @ weights))]) for one in choices)


def crossed(choices: Sequence[Choice], penalty: float, folds: int) -> int:
    """Return ``hits`` where each fold of authors is ranked by weights fitted to the other folds."""
    authors = sorted({one.author for one in choices})
    found = 0
    for fold in range(folds):
        held = set(authors[fold::folds])
        weights = fitted([one for one in choices if one.author not in held], penalty)
        found += hits([one for one in choices if one.author in held], weights)
    return found


def report(choices: Sequence[Choice], penalty: float, folds: int) -> Mapping[str, float]:
    """Return the figures, each a number of tasks but for the weights."""
    present = np.array([WEIGHTS[name] for name in NAMES])
    found: dict[str, float] = {
        "tasks": len(choices),
        "possible": sum(bool(one.right.any()) for one in choices),
        "decided_by_order": sum(one.open for one in choices),
        "present": hits(choices, present),
        "fitted_in_turn": crossed(choices, penalty, folds),
    }
    for name in NAMES:
        without = present.copy()
        without[NAMES.index(name)] = 0.0
        found[f"present_without_{name}"] = hits(choices, without)
    weights = fitted(choices, penalty)
    found |= {f"weight_{name}": round(float(one), 3) for name, one in zip(NAMES, weights, strict=True)}
    return found


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("runs", type=Path, nargs="+", help="folders of results of `greenloop eval run --with-search`")
    parser.add_argument("--penalty", type=float, default=0.02)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    held = [choice(one) for run in options.runs for one in ResultsFolder(run).read().values()]
    found = report([one for one in held if one is not None], options.penalty, options.folds)
    table = Table("figure", "value", title="Which fix is shown first")
    for name, value in found.items():
        table.add_row(name, str(value))
    Console(stderr=options.json).print(table)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
