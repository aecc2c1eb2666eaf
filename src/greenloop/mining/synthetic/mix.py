"""How many examples of each category of error: as real people make them, where that is known."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from greenloop.records import Category, Example, InputError

_COMPILED = {Category.TYPE: 717, Category.SYNTAX: 244, Category.UNBOUND: 222}
"""First errors of 1,183 real runs from red to green (E. Seidel and R. Jhala, doi 10.5281/zenodo.806814)."""
_OTHERS = {Category.TEST: 10, Category.WARNING: 3, Category.DEPENDENCY: 2}
"""Of a hundred. That corpus was only type-checked, without warnings and without a build system: these three shares are
our choice, small, and not measured."""


@dataclass(frozen=True, slots=True)
class Mix:
    """The weight of each category; one that is not named is not made."""

    weights: Mapping[Category, int]

    @classmethod
    def usual(cls) -> "Mix":
        """Return the mix of real type, syntax and unbound errors, with a few of what no compiler alone can see."""
        compiled = sum(_COMPILED.values())
        left = 100 - sum(_OTHERS.values())
        return cls(
            {name: count * left for name, count in _COMPILED.items()} | {k: v * compiled for k, v in _OTHERS.items()}
        )

    @classmethod
    def like(cls, examples: Iterable[Example]) -> "Mix":
        """Return the mix of ``examples``, which people made. Raises ``InputError`` when there are none."""
        weights = Counter(example.category for example in examples)
        if not weights:
            raise InputError(
                "there are no examples whose mix could be followed", "name a file that `greenloop mine` wrote"
            )
        return cls(dict(weights))

    def quotas(self, count: int, without: Iterable[Category] = ()) -> dict[Category, int]:
        """Split ``count`` by the weights of all categories but ``without``: largest remainders, so that it adds up."""
        left = {name: weight for name, weight in self.weights.items() if weight and name not in set(without)}
        total = sum(left.values())
        if not total:
            return {}
        exact = {name: count * weight / total for name, weight in left.items()}
        found = {name: int(share) for name, share in exact.items()}
        order = sorted(exact, key=lambda name: (found[name] - exact[name], tuple(Category).index(name)))
        for name in order[: count - sum(found.values())]:
            found[name] += 1
        return found
