"""From an evaluation to a reward: the client's policy, here so that it is written once. Nothing of it is stored.

``None`` means that nothing is known and the sample must be left out. Counted as 0, faults of the machine spoil whole
runs: in NVIDIA's NeMo-Gym 91.6 % of the rollouts that failed to reset were rewarded with 0 (NVIDIA NeMo-Gym#2552).
"""

from greenloop.records import HACKS, Evaluation, Rung, Stage, Status

CHEAP = frozenset({*HACKS, "unchanged", "deletion", "swallow", "name-removed", "tests-missing"})
"""Flags without which a red edit may earn partial credit. What type-checks because code was deleted, or because
nothing was changed at all, has earned nothing."""


def reward(evaluation: Evaluation, *, types: float = 0.15, parses: float = 0.05) -> float | None:
    """Return 1.0 for green, ``types`` and ``parses`` for how far a red one came, 0.0 for the rest: for all
    that ended ``rejected``, whatever stage it had reached.

    Only what matched at the exact rung is rewarded. A stub or a hack gets 0.0: the service makes it red by the flags
    that the task refuses, and it forfeits partial credit by any of ``CHEAP``. A green edit that changes nothing gets
    0.0 too. Partial credit helps early and is gamed late: fade ``types`` and ``parses`` to 0 as the pass rate of a
    group passes 20 %; a time-out earns what it reached, like any red. ``None`` for ``Status.INFRA_ERROR``.
    """
    if evaluation.status is Status.INFRA_ERROR:
        return None
    if evaluation.rung is not Rung.EXACT or "unchanged" in evaluation.flags:
        return 0.0
    if evaluation.green:
        return 1.0
    # a test can bring it about that the tools break down: no stage that it passed may pay for that
    if evaluation.status is Status.REJECTED:
        return 0.0
    if evaluation.reason in {"hack", "protected"} or CHEAP.intersection(evaluation.flags):
        return 0.0
    passed = {result.stage for result in evaluation.stages if result.status is Status.GREEN}
    return types if Stage.TYPES in passed else parses if Stage.PARSE in passed else 0.0


def binary(evaluation: Evaluation) -> float | None:
    """Return 1.0 for green and 0.0 for anything else that was judged: what pass@k counts."""
    return reward(evaluation, types=0.0, parses=0.0)
