"""What to make."""

from dataclasses import dataclass

from greenloop.mining.rules import Rules
from greenloop.mining.synthetic.mix import Mix
from greenloop.records import Suite


@dataclass(frozen=True, slots=True)
class Plan:
    """``count`` examples of ``mix``, from ``seed``; ``deepest`` is the farthest suite that may run."""

    count: int
    seed: int
    mix: Mix
    deepest: Suite
    workspace: str
    author: str
    """Whose code it is; empty: nobody's, each file stands for itself."""
    rules: Rules
