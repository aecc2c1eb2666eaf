"""Whether each arm got its share of the tasks: if not, something other than chance chose them, and no effect counts.

A chi-square test against the arms' weights; Fabijan et al., "Diagnosing Sample Ratio Mismatch in Online Controlled
Experiments", KDD 2019. Exposure is logged when a suggestion is shown, so an arm that shows less often is found here.
"""

from collections.abc import Mapping

import scipy.stats

STOP = 0.001
"""Below this p the sample ratio is wrong."""


def sample_ratio(counts: Mapping[str, int], weights: Mapping[str, float]) -> float:
    """Return the p value of the tasks that each arm of ``weights`` got; 1 while there are none."""
    total, whole = sum(counts.get(arm, 0) for arm in weights), sum(weights.values())
    if not total:
        return 1.0
    observed = [counts.get(arm, 0) for arm in weights]
    expected = [total * weight / whole for weight in weights.values()]
    return float(scipy.stats.chisquare(observed, expected).pvalue)
