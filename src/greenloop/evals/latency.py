"""How long people wait, with those counted who did not wait for the end.

A turn that was cancelled or failed before its first diff waited at least so long: its time is censored, not missing.
Leaving it out would make a slow service look quick, since the slow turns are those that are cancelled. So the
quantiles are those of Kaplan and Meier's estimate (Journal of the American Statistical Association 53, 1958).
"""

from collections.abc import Sequence

import numpy as np
import scipy.stats

from greenloop.records import Part

QUANTILES = (0.50, 0.95, 0.99)


class Wait(Part):
    """Quantiles of a wait, in milliseconds; ``None`` where too many left before it: it is longer than ``longest``."""

    turns: int
    """All turns, those among them that left before."""
    censored: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    longest: float = 0.0


def wait(times: Sequence[tuple[float, bool]]) -> Wait:
    """Return the quantiles of (milliseconds, whether it came: else the turn ended before)."""
    if not times:
        return Wait(turns=0, censored=0)
    came = [time for time, arrived in times if arrived]
    left = [time for time, arrived in times if not arrived]
    found: list[float | None] = [None, None, None]
    if came:
        curve = scipy.stats.ecdf(scipy.stats.CensoredData(uncensored=came, right=left)).cdf
        for number, quantile in enumerate(QUANTILES):
            # the estimate is built by multiplication: the last step may miss the quantile by a rounding
            reached = np.flatnonzero(curve.probabilities >= quantile - 1e-9)
            found[number] = float(curve.quantiles[reached[0]]) if len(reached) else None
    longest = max(time for time, _ in times)
    return Wait(turns=len(times), censored=len(left), p50=found[0], p95=found[1], p99=found[2], longest=longest)
