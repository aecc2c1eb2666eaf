"""Which arm a task gets: by a hash, so that everybody who asks gets the same answer."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from greenloop.aid.experiments.settings import VARIED, ExperimentSettings
from greenloop.records import InputError


@dataclass(frozen=True, slots=True)
class Choice:
    """What a task is helped with. Empty: as the other settings say. ``arms``: experiment → arm, for the events."""

    model: str = ""
    strategy: str = ""
    context: str = ""
    arms: Mapping[str, str] = field(default_factory=dict)


def arm_of(name: str, weights: Mapping[str, float], developer: str, task: str) -> str:
    """Return the arm of a task: the same for ever, as long as names and weights stay.

    The hash is over all three names with their lengths, so that no two triples are one text.
    """
    text = "".join(f"{len(part)}:{part}" for part in (name, developer, task))
    point = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64 * sum(weights.values())
    for arm, weight in weights.items():
        point -= weight
        if point < 0:
            return arm
    return arm  # the last one: what rounding left over


class Experiments:
    """All experiments of a team. Raises ``InputError`` where two that run would decide the same thing."""

    def __init__(self, experiments: Mapping[str, ExperimentSettings]) -> None:
        self._running = {name: one for name, one in experiments.items() if one.enabled}
        owner: dict[str, str] = {}
        for name, one in self._running.items():
            for what in one.varies():
                if what in owner:
                    raise InputError(
                        f"experiments.{owner[what]} and experiments.{name} both vary the {what}",
                        "end one of them with `enabled = false`",
                    )
                owner[what] = name

    def choose(self, developer: str, task: str) -> Choice:
        """Return what a developer's task (a conversation) is helped with. ``developer`` may be a pseudonym."""
        arms: dict[str, str] = {}
        chosen: dict[str, str] = {}
        for name, one in self._running.items():
            weights = {arm: settings.weight for arm, settings in one.arms.items()}
            arms[name] = arm_of(name, weights, developer, task)
            arm = one.arms[arms[name]]
            chosen |= {what: getattr(arm, what) for what in VARIED if getattr(arm, what)}
        return Choice(**chosen, arms=arms)
