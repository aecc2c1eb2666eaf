"""The funnel as figures: how many came to each step, how much was kept, how long it took."""

from collections import Counter
from collections.abc import Iterable

from pydantic import Field

from greenloop.evals.latency import Wait, wait
from greenloop.records import Part
from greenloop.records.funnel import FunnelEvent, Retained, Step


class Kept(Part):
    """Of the acceptances whose state at a horizon is known: lines that are still there, of lines there were."""

    acceptances: int
    lines: int
    of: int
    whole: int
    """Acceptances of which every line is there."""


class FunnelFigures(Part):
    """Everything that ``greenloop metrics`` tells. Steps count turns, candidates or suggestions as they are named."""

    turns: int
    candidates: dict[str, int]
    """``proposed``, ``parsed``, ``applied``, ``verified``: candidates that came so far."""
    rungs: dict[str, int] = Field(default_factory=dict)
    badges: dict[str, int] = Field(default_factory=dict)
    suggestions: dict[str, int]
    """``shown``, ``accepted`` (a hunk of it at least), ``refused``, ``undone``: different suggestions."""
    hunks: dict[str, int]
    """``shown``, ``accepted``, ``refused``: hunks."""
    kept: dict[str, Kept]
    outcomes: dict[str, int]
    waits: dict[str, Wait]
    """``first_token``, ``first_diff``, ``verified``, ``total``: over all turns that ended."""


_STEPS = ("first_token", "first_diff", "verified", "total")


def figures(events: Iterable[FunnelEvent], retained: Iterable[Retained] = ()) -> FunnelFigures:
    """Count events, each kind in one pass. A suggestion shown twice counts once."""
    steps: Counter[Step] = Counter()
    rungs: Counter[str] = Counter()
    badges: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    hunks: dict[Step, dict[str, int]] = {step: {} for step in (Step.SHOWN, Step.ACCEPTED, Step.REFUSED)}
    seen: dict[Step, set[str]] = {step: set() for step in (*hunks, Step.UNDONE)}
    times: dict[str, list[tuple[float, bool]]] = {step: [] for step in _STEPS}
    acceptances: set[str] = set()
    for event in events:
        steps[event.step] += 1
        if event.step is Step.APPLIED and event.rung is not None:
            rungs[str(event.rung)] += 1
        if event.step is Step.VERIFIED:
            badges[event.badge] += 1
        if event.step in seen:
            seen[event.step].add(event.suggestion)
        if event.step in hunks:
            # shown once more it has no more hunks; accepted in parts, the parts add up
            before = hunks[event.step].get(event.suggestion, 0)
            more = max(before, event.hunks) if event.step is Step.SHOWN else before + event.hunks
            hunks[event.step][event.suggestion] = more
        if event.step is Step.ACCEPTED:
            acceptances.add(event.acceptance)
        if event.step is Step.ENDED:
            outcomes[event.outcome] += 1
            _add_times(times, event)
    return FunnelFigures(
        turns=steps[Step.REQUESTED],
        candidates={step.value: steps[step] for step in (Step.PROPOSED, Step.PARSED, Step.APPLIED, Step.VERIFIED)},
        rungs=dict(sorted(rungs.items())),
        badges=dict(sorted(badges.items())),
        suggestions={step.value: len(found) for step, found in seen.items()},
        hunks={step.value: sum(found.values()) for step, found in hunks.items()},
        kept=_kept(one for one in retained if one.acceptance in acceptances),
        outcomes=dict(sorted(outcomes.items())),
        waits={step: wait(found) for step, found in times.items()},
    )


def _add_times(times: dict[str, list[tuple[float, bool]]], event: FunnelEvent) -> None:
    for step in _STEPS:
        milliseconds = getattr(event, f"{step}_ms")
        if milliseconds is not None:
            times[step].append((milliseconds, True))
        elif event.total_ms is not None and event.outcome != "done":
            times[step].append((event.total_ms, False))


def _kept(retained: Iterable[Retained]) -> dict[str, Kept]:
    found: dict[str, list[Retained]] = {}
    for one in retained:
        found.setdefault(one.horizon, []).append(one)
    return {
        horizon: Kept(
            acceptances=len(ones),
            lines=sum(one.kept for one in ones),
            of=sum(one.of for one in ones),
            whole=sum(one.kept == one.of for one in ones),
        )
        for horizon, ones in found.items()
    }
