"""What a rule of building is: it sees all examples that are left, and says which of them go, and why."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from greenloop.mining.funnel import Step
from greenloop.models.seam import Message
from greenloop.records import Example, Record

UNIT = "examples"
ONLY_TRAINING = "examples that only train"


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

    @property
    def text(self) -> str:
        """What near-duplicates are found by: all that a model sees and gives."""
        return f"{self.question}\n{self.reply}"


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
    gone: tuple[Rendered, ...] = ()
    """What was dropped, as it was rendered; in the order of ``dropped``."""

    def of(self, rule: str) -> tuple[Rendered, ...]:
        """Return what a rule dropped."""
        return tuple(one for one, why in zip(self.gone, self.dropped, strict=True) if why.rule == rule)

    def with_more(self, more: "Selection") -> "Selection":
        """Return the selection together with one of examples that only train."""
        return Selection(
            _in_time((*self.kept, *more.kept)),
            (*self.dropped, *more.dropped),
            (*self.steps, *(step.model_copy(update={"unit": ONLY_TRAINING}) for step in more.steps)),
            (*self.gone, *more.gone),
        )

    def restored(self, rule: str, ids: AbstractSet[str]) -> "Selection":
        """Return the selection as if ``rule`` had not dropped those of ``ids``."""
        back = [why.rule == rule and why.id in ids for why in self.dropped]
        found = tuple(one for one, yes in zip(self.gone, back, strict=True) if yes)
        place = next(place for place, step in enumerate(self.steps) if step.name == rule)
        steps = (
            step
            if number < place
            else step.model_copy(update={"dropped": step.dropped - len(found)})
            if number == place
            else step.model_copy(update={"seen": step.seen + len(found)})
            for number, step in enumerate(self.steps)
        )
        return Selection(
            _in_time((*self.kept, *found)),
            tuple(why for why, yes in zip(self.dropped, back, strict=True) if not yes),
            tuple(steps),
            tuple(one for one, yes in zip(self.gone, back, strict=True) if not yes),
        )


def _in_time(examples: Sequence[Rendered]) -> tuple[Rendered, ...]:
    return tuple(sorted(examples, key=lambda one: (one.example.time, one.example.id)))


def select(examples: Sequence[Rendered], rules: Sequence[Rule]) -> Selection:
    """Apply ``rules`` one after the other; each sees what those before it kept."""
    kept = tuple(examples)
    dropped: list[Dropped] = []
    gone: list[Rendered] = []
    steps = []
    for rule in rules:
        found = rule.drops(kept)
        steps.append(Step(name=rule.name, unit=UNIT, seen=len(kept), dropped=len(found)))
        dropped += [
            Dropped(id=one.example.id, rule=rule.name, because=found[one.example.id])
            for one in kept
            if one.example.id in found
        ]
        gone += [one for one in kept if one.example.id in found]
        kept = tuple(one for one in kept if one.example.id not in found)
    return Selection(kept, tuple(dropped), tuple(steps), tuple(gone))
