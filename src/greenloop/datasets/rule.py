"""What a rule of building is: it sees all examples that are left, and says which of them go, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from greenloop.mining.funnel import Step
from greenloop.models.seam import Message
from greenloop.records import Example, Record

UNIT = "examples"


class Dropped(Record):
    """An example that is not in the dataset: one line of ``dropped.jsonl``."""

    id: str
    rule: str
    """The step of the funnel that counts it."""
    because: str
    """What the rule found: the example that is kept in its place, the kind of a secret, a file of an evaluation set."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """An example with the messages that a model would see and give, and the files that they show."""

    example: Example
    messages: tuple[Message, ...]
    shown: tuple[str, ...]

    @property
    def question(self) -> str:
        """The user's message: code, errors and the person's words."""
        return self.messages[1].content

    @property
    def reply(self) -> str:
        """The reply that a perfect model would give."""
        return self.messages[2].content


class Rule(Protocol):
    """Drops examples. What it says never depends on the order in which they come."""

    @property
    def name(self) -> str:
        """The step of the funnel under which its drops are counted."""
        ...

    def drops(self, examples: Sequence[Rendered]) -> Mapping[str, str]:
        """Return id → reason of the examples to leave out; ``examples`` are in the order of time."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """What the rules left, what each of them dropped, and the count of each."""

    kept: tuple[Rendered, ...]
    dropped: tuple[Dropped, ...]
    steps: tuple[Step, ...]


def select(examples: Sequence[Rendered], rules: Sequence[Rule]) -> Selection:
    """Apply ``rules`` one after the other; each sees what those before it kept."""
    kept = tuple(examples)
    dropped: list[Dropped] = []
    steps = []
    for rule in rules:
        found = rule.drops(kept)
        steps.append(Step(name=rule.name, unit=UNIT, seen=len(kept), dropped=len(found)))
        dropped += [
            Dropped(id=one.example.id, rule=rule.name, because=found[one.example.id])
            for one in kept
            if one.example.id in found
        ]
        kept = tuple(one for one in kept if one.example.id not in found)
    return Selection(kept, tuple(dropped), tuple(steps))
