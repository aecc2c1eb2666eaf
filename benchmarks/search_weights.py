"""Fit the weights by which the model-free search orders its edits, to the training part of a dataset.

    python benchmarks/search_weights.py --dataset FOLDER --out weights.json [--n 300] [--steps 150]

For each task, all edits at its error are made. The first ``TOP`` by the present weights and a sample of the others are
judged, and the person's own edit is added where it is among them. A weight for each word of ``features`` is then fitted
so that what fixed the task, and above all what the person did, gets the largest share among all edits of its task: a
softmax over a task's edits, sampled ones counted for those they stand for, with an L2 penalty, by Adam. Only authors of
the part ``train`` are read. The file goes to ``src/greenloop/candidates/mechanical/weights.json``.
"""

import argparse
import json
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from search_bench import bench, drawn, red

from greenloop.builds.engine import Engine
from greenloop.candidates.examine import Rules, examine
from greenloop.candidates.mechanical.changes import applied
from greenloop.candidates.mechanical.features import Features
from greenloop.candidates.mechanical.site import Change, Site, site_of
from greenloop.candidates.mechanical.source import first_error
from greenloop.candidates.mechanical.weighing import in_order
from greenloop.candidates.source import Proposal
from greenloop.prompts.question import Question
from greenloop.records import Edit, EditError, Example, Verdict, WriteFile
from greenloop.storage import write_atomically
from greenloop.workspace.store import TreeStore

TOP, SAMPLED = 100, 40
OWN = 0.6
"""The share of a task's mass that the person's own edit gets; what else fixed it divides the rest."""
PENALTY = 0.005
RATE = 0.15
LEAST = 0.1
"""Weights nearer to zero are left out of the file."""


@dataclass(frozen=True)
class Group:
    """The judged edits of one task: the words of each, its share of the mass, the log of how many it stands for."""

    words: tuple[tuple[str, ...], ...]
    mass: tuple[float, ...]
    stands_for: tuple[float, ...]


def group(store: TreeStore, judge: Engine, example: Example, before: Verdict, rng: random.Random) -> Group | None:
    """Judge one task's edits; ``None`` when none of them fixes it."""
    error = first_error(Question(example.base, "", before.diagnostics))
    source = None if error is None or error.path is None else store.read(example.base, error.path)
    target = None if error is None or error.path is None else store.read(example.target, error.path)
    if error is None or error.path is None or source is None or target is None:
        return None
    site = site_of(source, error.path, error)
    if site is None:
        return None
    changes = [change for _, change in in_order(site)]
    texts = [applied(source, change) for change in changes]
    wanted = b"".join(target.split())
    own = {place for place, text in enumerate(texts) if b"".join(text.split()) == wanted}
    others = range(TOP, len(changes))
    sampled = set(rng.sample(others, min(SAMPLED, len(others))))
    places = sorted(set(range(min(TOP, len(changes)))) | sampled | own)
    proposals = [Proposal("fit", _whole(error.path, texts[place])) for place in places]
    rules = Rules(suite=example.suite, max_judged=len(places))
    fixed = {
        place for place, one in zip(places, examine(store, judge, before, proposals, rules), strict=True) if one.fixed
    }
    if not fixed:
        return None
    each = np.log(max(1, len(others)) / max(1, len(sampled)))
    return Group(
        _words(site, [changes[place] for place in places]),
        tuple(_mass(place, own & fixed, fixed) for place in places),
        tuple(float(each) if place in sampled - own else 0.0 for place in places),
    )


def _whole(path: str, text: bytes) -> Edit | EditError:
    try:
        return Edit(files=(WriteFile(path=path, content=text.decode()),))
    except UnicodeDecodeError:
        return EditError("not UTF-8 text", reason="binary")


def _words(site: Site, changes: list[Change]) -> tuple[tuple[str, ...], ...]:
    features = Features(site)
    return tuple(features.of(change) for change in changes)


def _mass(place: int, own: set[int], fixed: set[int]) -> float:
    if not own:
        return 1 / len(fixed) if place in fixed else 0.0
    mass = OWN / len(own) if place in own else 0.0
    return mass + ((1 - OWN) / len(fixed) if place in fixed else 0.0)


def fit(groups: list[Group], steps: int) -> dict[str, float]:
    """Return word → weight. Words that no fix has and few edits have are left out."""
    good = Counter(
        word for one in groups for words, mass in zip(one.words, one.mass, strict=True) if mass for word in words
    )
    seen = Counter(word for one in groups for words in one.words for word in words)
    vocabulary = {word: place for place, word in enumerate(sorted(w for w in seen if good[w] or seen[w] >= 25))}
    every = [(number, words) for number, one in enumerate(groups) for words in one.words]
    row = np.array([at for at, (_, words) in enumerate(every) for word in words if word in vocabulary])
    column = np.array([vocabulary[word] for _, words in every for word in words if word in vocabulary])
    member = np.array([number for number, _ in every])
    mass = np.array([value for one in groups for value in one.mass])
    stands_for = np.array([value for one in groups for value in one.stands_for])
    weights = np.zeros(len(vocabulary))
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, steps + 1):
        score = np.bincount(row, weights[column], len(every)) + stands_for
        highest = np.full(len(groups), -np.inf)
        np.maximum.at(highest, member, score)
        raised = np.exp(score - highest[member])
        share = raised / np.bincount(member, raised, len(groups))[member]
        slope = np.bincount(column, (share - mass)[row], len(weights)) / len(groups) + PENALTY * weights
        first, second = 0.9 * first + 0.1 * slope, 0.99 * second + 0.01 * slope**2
        weights -= RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-6)
    return {word: round(float(weights[place]), 2) for word, place in vocabulary.items()}


def main() -> None:
    """Fit and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--dataset", type=Path, required=True, help="a dataset of single OCaml files")
    parser.add_argument("--out", type=Path, required=True, help="where the weights go")
    parser.add_argument("--n", type=int, default=300, help="tasks at most")
    parser.add_argument("--steps", type=int, default=150, help="steps of the fit")
    options = parser.parse_args()
    rng, groups = random.Random(0), []
    with bench(options.dataset) as (dataset, store, judge):
        for example in drawn(dataset.train, options.n):
            before = red(judge, example)
            found = None if before is None else group(store, judge, example, before, rng)
            if found is not None:
                groups.append(found)
    weights = {word: weight for word, weight in sorted(fit(groups, options.steps).items()) if abs(weight) >= LEAST}
    write_atomically(options.out, (json.dumps(weights, indent=0) + "\n").encode())
    print(f"{len(weights)} weights fitted to {len(groups)} tasks")


if __name__ == "__main__":
    main()
