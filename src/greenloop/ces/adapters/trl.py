"""A reward function for TRL's trainers (``GRPOTrainer`` and its kin, TRL 1.16)."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from greenloop.ces.adapters.task import EditTask, Evaluates, Policy, judge, text_of, worth

Completion = str | Sequence[dict[str, Any]]
RewardFunction = Callable[..., Coroutine[Any, Any, list[float | None]]]


def reward_function(
    service: Evaluates, policy: Policy, *, column: str = "task", at_once: int = 64, name: str = "ces"
) -> RewardFunction:
    """Return an asynchronous reward function: a completion's reward is ``policy`` on its evaluation.

    The dataset's ``column`` holds each row's ``EditTask`` as JSON. ``None``, which TRL leaves out of the baseline and
    gives no advantage, stands for a fault of the machine; TRL then logs the row, hidden tests and all. At most
    ``at_once`` completions are judged at a time. ``name`` is what TRL's logs call the reward.
    """

    async def reward(completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        room = asyncio.Semaphore(at_once)

        async def one(completion: Completion, value: object) -> float | None:
            async with room:
                return worth(await judge(service, EditTask.read(value), text_of(completion)), policy)

        pairs = zip(completions, columns[column], strict=True)
        return list(await asyncio.gather(*(one(completion, value) for completion, value in pairs)))

    reward.__name__ = name
    return reward
