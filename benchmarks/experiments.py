"""How often experiments cry wolf when nothing differs, and what they see when something does.

Simulated teams look every day for 30 days and stop at the first effect: the assignment and the statistics are those
that run. ``alarms`` is the share of runs in which an effect was told, ``t_test`` the same for a t test at 5 % on each
day, and ``ratio`` for the sample-ratio check. Run: ``python benchmarks/experiments.py --json``.
"""

import argparse
import json

from greenloop.aid.experiments.assign import arm_of
from greenloop.evals.experiments.simulate import Team, tally

WEIGHTS = {"control": 1.0, "treatment": 1.0}
TEAMS = {
    "a/a": Team(),
    "a/a, 6 developers": Team(developers=6),
    "a/a, 50 developers": Team(developers=50, tasks_a_day=2),
    "a/a, rare acceptance": Team(accepts=0.03),
    "a/a, developers alike": Team(habit=0.05),
    "effect differs by developer, 0 on average": Team(spread=0.1),
    "effect of 5 points": Team(effect=0.05),
    "effect of 10 points": Team(effect=0.1),
}


def treated(developer: str, task: str) -> bool:
    """Assign a task as the sidecar does."""
    return arm_of("benchmark", WEIGHTS, developer, task) == "treatment"


def main() -> None:
    """Print a line, or one JSON object, for all teams."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {}
    for name, team in TEAMS.items():
        told = tally(team, options.runs, treated)
        low, high = told.interval()
        share = {
            "alarms": told.alarms / told.runs,
            "low": low,
            "high": high,
            "t_test": told.peeking / told.runs,
            "ratio": told.ratio / told.runs,
        }
        found[name] = share
        if not options.json:
            shown = ", ".join(f"{key} {100 * value:.1f} %" for key, value in share.items())
            print(f"{name}: {shown}", flush=True)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
