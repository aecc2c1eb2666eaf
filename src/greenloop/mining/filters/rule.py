"""What a rule is: a name under which its drops are counted, and a question."""

from collections.abc import Callable
from dataclasses import dataclass

from greenloop.mining.filters.candidate import Candidate


@dataclass(frozen=True, slots=True)
class Filter:
    """``drops`` says whether the candidate must not become an example."""

    name: str
    drops: Callable[[Candidate], bool]
