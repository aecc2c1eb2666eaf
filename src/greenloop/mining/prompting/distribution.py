"""How long prompts are and in which style: wished by settings, or measured from what people typed.

Each example draws its form by its id, so that the same example always gets the same one, whatever stands beside it.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from greenloop.mining.prompting.form import Form, Length, Style, form_of
from greenloop.records import InputError

Choice = TypeVar("Choice")
Source = Literal["settings", "log"]

LENGTHS: tuple[tuple[Length, int], ...] = (
    (Length.SHORTEST, 55), (Length.SHORT, 32), (Length.LONG, 10), (Length.LONGEST, 3),
)  # fmt: skip
STYLES: tuple[tuple[Style, int], ...] = (
    (Style.IMPERATIVE, 62), (Style.SENTENCE, 10), (Style.QUESTION, 10), (Style.TELEGRAPHIC, 18),
)  # fmt: skip
"""The weights unless settings say otherwise; ``docs/prompts.md`` gives their reason."""
ENOUGH_REQUESTS = 50
"""From so many requests on, a share of a fifth is known to about 6 percentage points (one standard error)."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Weights of lengths and of styles, which are drawn independently. ``source`` says where they come from.

    Raises ``InputError`` when a weight is negative, or all weights of one kind are 0.
    """

    lengths: tuple[tuple[Length, int], ...] = LENGTHS
    styles: tuple[tuple[Style, int], ...] = STYLES
    source: Source = "settings"

    def __post_init__(self) -> None:
        for name, weights in (("lengths", self.lengths), ("styles", self.styles)):
            given = [weight for _, weight in weights]
            if not sum(given) or min(given) < 0:
                raise InputError(
                    f"mining.prompts.{name}: the weights {given} draw nothing", "give at least one weight above 0"
                )

    def wish(self, example_id: str) -> Form:
        """Return the form that the example of this id should have."""
        return Form(
            drawn("length", example_id, [(weight, one) for one, weight in self.lengths]),
            drawn("style", example_id, [(weight, one) for one, weight in self.styles]),
        )


def from_requests(requests: Iterable[str]) -> Distribution | None:
    """Return the distribution of what people typed; ``None`` below ``ENOUGH_REQUESTS`` of a length that counts."""
    forms = [form for text in requests if (form := form_of(text)) is not None]
    if len(forms) < ENOUGH_REQUESTS:
        return None
    lengths, styles = Counter(form.length for form in forms), Counter(form.style for form in forms)
    return Distribution(
        tuple((one, lengths[one]) for one in Length), tuple((one, styles[one]) for one in Style), source="log"
    )


def drawn(what: str, example_id: str, choices: Sequence[tuple[int, Choice]]) -> Choice:
    """Return one of ``choices`` (weight, choice) by the example's id: for one ``what`` always the same one."""
    total = sum(weight for weight, _ in choices)
    left = int.from_bytes(hashlib.sha256(f"{what} {example_id}".encode()).digest()[:8], "big") % total
    for weight, choice in choices:
        left -= weight
        if left < 0:
            return choice
    raise AssertionError("the weights add up to the total")
