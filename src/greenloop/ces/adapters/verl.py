"""Reward functions for verl 0.9, which awaits them in its reward loop. Its configuration names one of these:

- ``custom_reward_function: {path: "pkg://greenloop.ces.adapters.verl", name: compute_score, reward_kwargs: {address:
  …}}``: the service at ``address``, rewarded by ``ces.policy.reward``;
- a file of yours that says ``compute_score = scorer(AsyncClient(...), my_policy)``.

The dataset's ``reward_model.ground_truth`` holds each row's ``EditTask`` as JSON. verl knows no reward that is absent,
so a fault of the machine raises ``InfrastructureError``: the step fails, and nothing is learned from it.
"""

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from greenloop.ces.adapters.task import EditTask, Evaluates, Policy, judge, worth
from greenloop.ces.client import AsyncClient
from greenloop.ces.policy import reward
from greenloop.ces.tokens import Tokens
from greenloop.records import InfrastructureError
from greenloop.storage import named_io_errors

Scored = dict[str, float | str]
"""``score``; ``acc``: 1 for a green evaluation, 0 for any other; its ``status`` and ``reason`` for verl's logs."""


def scorer(service: Evaluates, policy: Policy) -> Callable[..., Coroutine[Any, Any, Scored]]:
    """Return a ``compute_score`` whose ``score`` is ``policy`` on the evaluation."""

    async def compute_score(
        data_source: str,
        solution_str: str,
        ground_truth: object,
        extra_info: Mapping[str, Any] | None = None,  # noqa: ARG001 - what verl's dataset and rollout add of their own
        **_: Any,
    ) -> Scored:
        return await _scored(service, policy, data_source, solution_str, ground_truth)

    return compute_score


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: object,
    extra_info: Mapping[str, Any] | None = None,  # noqa: ARG001 - see ``scorer``
    *,
    address: str,
    token_file: str = "",
    **_: Any,
) -> Scored:
    """Score by the service at ``address`` (a Unix socket's path, or a URL); ``token_file``: as the service reads it."""
    token = ""
    if token_file:
        with named_io_errors(Path(token_file)):
            token = Tokens.parse(Path(token_file).read_text(encoding="utf-8"), token_file).first
    # a client belongs to one event loop, and verl has several: so one for each call, which a judgement dwarfs
    async with AsyncClient(address, token=token) as service:
        return await _scored(service, reward, data_source, solution_str, ground_truth)


async def _scored(service: Evaluates, policy: Policy, source: str, solution: str, truth: object) -> Scored:
    evaluation = await judge(service, EditTask.read(truth), solution)
    score = worth(evaluation, policy)
    if score is None:
        raise InfrastructureError(f"{source}: no verdict: {evaluation.note}", "is the service well?")
    return {
        "score": score,
        "acc": float(evaluation.green),
        "status": evaluation.status.value,
        "reason": evaluation.reason,
    }
