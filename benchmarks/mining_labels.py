"""What people said of a random sample of mined examples and of what was dropped, beside what mining says now.

``labels/mined.jsonl`` holds a line for each example that was looked at: its ``id``, ``good`` and ``why``; in
``labels/dropped.jsonl`` a drop is known by ``base`` and ``target``. Both samples are the first hundred by
``sample_key``. Good is an example whose edit repairs the error that is shown, by a change that a reviewer of that error
would take, with nothing beside it; a drop is good when its pair would have been such an example.

A label whose example or drop is no more, because the rules have changed since, says nothing and is counted as stale.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from greenloop.records import Example

SAMPLE = 100


@dataclass(frozen=True)
class Share:
    """A share, and its 95 % interval; ``None`` where nothing is labelled."""

    share: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Judged:
    """Precision and recall of the examples at hand; how many labels speak of them, and how many of what is no more."""

    precision: Share
    recall: Share
    labelled: int
    stale: int


def sample_key(name: str) -> str:
    """Return what a sample is sorted by: the SHA-256 of a name, which nobody chose."""
    return hashlib.sha256(f"label 5 {name}".encode()).hexdigest()


def name_of_drop(drop: dict[str, Any]) -> str:
    """Return what a drop is known by."""
    return f"{drop['base']} {drop['target']}"


def sampled(examples: Sequence[Example], dropped: Path) -> tuple[list[Example], list[dict[str, Any]]]:
    """Return the examples and the drops that are to be labelled."""
    drops = {name_of_drop(drop): drop for drop in _lines(dropped)}
    chosen = sorted(drops.values(), key=lambda drop: sample_key(name_of_drop(drop)))
    return sorted(examples, key=lambda one: sample_key(one.id))[:SAMPLE], chosen[:SAMPLE]


def judged(labels: Path, examples: Sequence[Example], dropped: Path) -> Judged:
    """Return precision and recall by the labels in a folder."""
    said = _lines(labels / "mined.jsonl")
    of_drops = _lines(labels / "dropped.jsonl")
    ids = {one.id for one in examples}
    drops = {name_of_drop(drop) for drop in _lines(dropped)}
    mined = [bool(label["good"]) for label in said if label["id"] in ids]
    lost = [bool(label["good"]) for label in of_drops if name_of_drop(label) in drops]
    labelled = len(mined) + len(lost)
    precision = _share(mined)
    recall = _recall(precision, len(ids), _share(lost), len(drops))
    return Judged(precision, recall, labelled, len(said) + len(of_drops) - labelled)


def _share(labels: list[bool]) -> Share:
    if not labels:
        return Share(None, None)
    found = binomtest(sum(labels), len(labels)).proportion_ci(method="wilson")
    return Share(round(sum(labels) / len(labels), 4), (round(float(found.low), 4), round(float(found.high), 4)))


def _recall(precision: Share, mined: int, lost: Share, dropped: int) -> Share:
    """Good ones that were mined ÷ all good ones; the interval takes the worse, or the better, end of both shares."""
    if precision.share is None or precision.interval is None or lost.share is None or lost.interval is None:
        return Share(None, None)

    def of(right: float, wrong: float) -> float:
        return round(right * mined / (right * mined + wrong * dropped), 4)

    ends = (of(precision.interval[0], lost.interval[1]), of(precision.interval[1], lost.interval[0]))
    return Share(of(precision.share, lost.share), ends)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
