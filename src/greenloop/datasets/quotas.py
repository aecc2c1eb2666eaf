"""The rules against one voice drowning the others: at most so many examples of one author, and of one file.

Which stay is drawn by the SHA-256 of their ids: no order of input and no time of day is preferred.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from greenloop.datasets.rule import Rendered
from greenloop.records import Example, InputError


@dataclass(frozen=True, slots=True)
class Quota:
    """At most ``most`` examples of each thing that ``of`` names; 0 is no limit. An example may be of several."""

    most: int
    kind: str
    of: Callable[[Example], Sequence[Hashable]]

    def __post_init__(self) -> None:
        """Raise ``InputError`` for a quota below 0."""
        if self.most < 0:
            raise InputError(f"at most {self.most} examples of one {self.kind} is no quota", "0 is no limit")

    @property
    def name(self) -> str:
        """The step of the funnel."""
        return f"over {self.most} of one {self.kind}"

    def drops(self, examples: Sequence[Rendered]) -> Mapping[str, str]:
        """Draw the examples one after the other; what finds no room in one of its things goes."""
        taken: Counter[Hashable] = Counter()
        found = {}
        for one in sorted((held.example for held in examples), key=_lot):
            things = self.of(one)
            full = next((thing for thing in things if taken[thing] >= self.most), None)
            if full is None:
                taken.update(things)
            else:
                found[one.id] = f"{self.most} others of this {self.kind} were drawn"
        return found


def quotas(*, per_author: int = 0, per_file: int = 0) -> tuple[Quota, ...]:
    """Return the quotas that are asked for. A file is a path in one workspace."""
    both = (
        Quota(per_author, "author", lambda one: (one.author,)),
        Quota(per_file, "file", lambda one: tuple((one.workspace, path) for path in one.edit.paths)),
    )
    return tuple(quota for quota in both if quota.most)


def _lot(example: Example) -> tuple[str, str]:
    return hashlib.sha256(f"quota {example.id}".encode()).hexdigest(), example.id
