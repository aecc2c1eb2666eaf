"""What every source has in common."""

from collections.abc import Callable, Iterator
from typing import Protocol

from greenloop.mining.funnel import Funnel
from greenloop.records import Example

Tell = Callable[[int, int], None]
"""Called with (things looked at so far, things in all)."""


def tell_nobody(_done: int, _of: int) -> None:
    """A ``Tell`` where nobody listens."""


class Source(Protocol):
    """Yields examples that verdicts prove, in an order that depends on nothing but what it was given."""

    def examples(self, tell: Tell | None = None) -> Iterator[Example]:
        """Yield them, once.

        Raises ``InfrastructureError`` when a verdict could not be reached: asked again, stored ones answer.
        """
        ...

    def funnel(self) -> Funnel:
        """Return what every rule left out, of what was looked at so far."""
        ...
