"""The card: what a dataset holds, where it came from and what was left out, for programs."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

import greenloop
from greenloop.datasets.lengths import Lengths
from greenloop.mining.filters import OWN
from greenloop.mining.funnel import Funnel
from greenloop.mining.prompting.form import style_of
from greenloop.records import Example, Origin, Part, Record

CARD_FILE = "card.json"
README_FILE = "README.md"
PICTURE_FILE = "funnel.svg"
PACK_FILE = "trees.pack"
DROPPED_FILE = "dropped.jsonl"


class PartCount(Part):
    """How much one part of the split holds."""

    examples: int = Field(ge=0)
    authors: int = Field(ge=0)


class AgainstCount(Part):
    """An evaluation set that the examples were compared with; ``texts`` are what it holds to compare."""

    name: str
    digest: str
    texts: int = Field(ge=0)


class MinedCounts(Part):
    """What mining counted beside the funnel, summed over toolchains; empty where it has no such count."""

    trees: dict[str, int] = Field(default_factory=dict)
    """Distinct trees judged, by status."""
    cuts: dict[str, int] = Field(default_factory=dict)
    """Stretches of history by what began them."""
    minimised: dict[str, int] = Field(default_factory=dict)
    """What leaving out of fixes came to (``mining.minimise``)."""
    words: dict[str, int] = Field(default_factory=dict)
    """What became of a model's words: those taken, by kind; answers that checks rejected; requests that failed."""


class DatasetCard(Record):
    """Everything about a dataset but its examples. It names no clock and no machine: same input, same bytes."""

    name: str
    dataset: str
    """The dataset's version: 16 hexadecimal digits from the SHA-256 sums of its files."""
    parts: dict[str, PartCount]
    split: str
    """The split rule in one sentence."""
    categories: dict[str, int]
    """Examples by the class of their first error."""
    origins: dict[str, int]
    """Examples by where they come from."""
    authors: dict[str, int]
    """Examples by author."""
    lengths: dict[str, Lengths]
    """Of prompts, replies and edits."""
    styles: dict[str, int] = Field(default_factory=dict)
    """Requests by style (``mining.prompting.form``); empty in cards from before it was counted."""
    toolchains: tuple[str, ...]
    """Fingerprints of the toolchains whose verdicts prove the examples."""
    suites: tuple[str, ...]
    prompt_budget: int
    """Tokens of context in the rendered ``messages``, by the estimate of ``prompts.tokens``."""
    near: float = Field(gt=0, le=1)
    """The Jaccard index from which two texts are near-duplicates."""
    against: tuple[AgainstCount, ...]
    """The evaluation sets that nothing here stands in."""
    own_left_out: int | None
    """Greenloop's own suggestions that a person accepted and mining left out; ``None``: nobody counted."""
    funnel: Funnel
    """What every rule dropped, from snapshots to the examples here."""
    mined: MinedCounts = MinedCounts()
    """Empty in cards from before it was kept."""
    software: dict[str, str]
    """Versions of what wrote the files."""
    sha256: dict[str, str]
    """File → SHA-256 of its bytes, for every file but the card, its README and its picture."""

    @property
    def synthetic(self) -> float:
        """The share of the examples that were made, not lived, from 0 to 1."""
        total = sum(self.origins.values())
        return self.origins.get(Origin.SYNTHETIC.value, 0) / total if total else 0.0


def dataset_version(sums: Mapping[str, str]) -> str:
    """Return the version of a dataset whose files have these SHA-256 sums."""
    listed = json.dumps(dict(sums), sort_keys=True)
    return hashlib.sha256(listed.encode()).hexdigest()[:16]


def card_of(
    parts: Mapping[str, Sequence[Example]],
    *,
    name: str,
    split: str,
    budget: int,
    near: float,
    lengths: dict[str, Lengths],
    against: Sequence[AgainstCount],
    funnel: Funnel,
    mined: MinedCounts,
    pyarrow: str,
    sums: dict[str, str],
) -> DatasetCard:
    """Count everything there is to count."""
    everything = [example for held in parts.values() for example in held]
    counted = any(step.name == OWN for step in funnel.steps)
    return DatasetCard(
        name=name,
        dataset=dataset_version(sums),
        parts={
            part: PartCount(examples=len(held), authors=len({one.author for one in held}))
            for part, held in parts.items()
        },
        split=split,
        categories=_counts(one.category.value for one in everything),
        origins=_counts(one.origin.value for one in everything),
        authors=_counts(one.author for one in everything),
        lengths=lengths,
        styles=_counts(style_of(one.prompt).value for one in everything),
        toolchains=tuple(sorted({one.toolchain for one in everything})),
        suites=tuple(sorted({one.suite.value for one in everything})),
        prompt_budget=budget,
        near=near,
        against=tuple(against),
        own_left_out=funnel.dropped(OWN) if counted else None,
        funnel=funnel,
        mined=mined,
        software={"greenloop": greenloop.__version__, "pyarrow": pyarrow},
        sha256=sums,
    )


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
