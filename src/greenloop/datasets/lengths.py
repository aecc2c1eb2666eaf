"""How long prompts, replies and edits are: what decides which model and which window a dataset is for."""

from collections.abc import Sequence

from pydantic import Field

from greenloop.datasets.rule import Rendered
from greenloop.mining.prompting.form import spoken_words
from greenloop.prompts.tokens import estimate_tokens
from greenloop.records import Part


class Lengths(Part):
    """The least, the middle, what nine in ten do not exceed, and the most. All are lengths that occur."""

    least: int = Field(ge=0)
    median: int = Field(ge=0)
    ninety: int = Field(ge=0)
    most: int = Field(ge=0)


def lengths(values: Sequence[int]) -> Lengths:
    """Return the lengths of ``values``, of which there is at least one."""
    ordered = sorted(values)
    # the nearest rank: the smallest value that is at least as large as the share of all values
    at = {share: ordered[-(-share * len(ordered) // 100) - 1] for share in (50, 90)}
    return Lengths(least=ordered[0], median=at[50], ninety=at[90], most=ordered[-1])


def all_lengths(examples: Sequence[Rendered]) -> dict[str, Lengths]:
    """Return what is measured → its lengths; tokens are estimates of ``prompts.tokens``."""
    return {
        "tokens of the prompt": lengths(
            [sum(estimate_tokens(message.content) for message in one.messages[:-1]) for one in examples]
        ),
        "tokens of the reply": lengths([estimate_tokens(one.reply) for one in examples]),
        "words of the request": lengths([len(spoken_words(one.example.prompt)) for one in examples]),
        "changed lines": lengths([one.example.changed_lines for one in examples]),
    }
