"""How often people's own edits are flagged: the false positives of ``builds.lint``.

    python benchmarks/mistrust.py --home HOME --examples FILE [--json]

``HOME`` holds imported sessions, mined into ``FILE`` (so that their verdicts are known). Counted are the mined fixes
(red → green), the edits between neighbouring states of one line of work that are both green, and all edits between
such neighbours, whatever their verdicts. Edits of layout and comments alone are left out. The last line of
``--json`` is {"fixes": {…}, "green": {…}, "all": {…}}, each flag → share; ``any hack`` is the share of edits that
the evaluation service refuses by default.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.table import Table

from greenloop.builds import lint
from greenloop.builds.fixed import names_lost
from greenloop.cli.home import Home
from greenloop.records import HACKS, Example, TreeId
from greenloop.workspace.store import TreeStore

Pair = tuple[TreeId, TreeId]


def edits(home: Home) -> Iterator[Pair]:
    """Yield (before, after) of neighbouring distinct states of each workspace, each pair once."""
    seen: set[Pair] = set()
    for work in home.snapshots.workspaces():
        trees = [snapshot.tree for snapshot in home.snapshots.snapshots(work.id)]
        for pair in pairwise(trees):
            if pair[0] != pair[1] and pair not in seen:
                seen.add(pair)
                yield pair


def shares(store: TreeStore, pairs: Iterable[Pair]) -> tuple[int, dict[str, float]]:
    """Return how many edits change code, and flag → share of them; ``any hack`` is the share with a refused flag."""
    counts: Counter[str] = Counter()
    number = 0
    for base, result in pairs:
        flags = lint.flags(store, base, result)
        if flags == ("unchanged",):
            continue
        number += 1
        counts.update(flags)
        counts["name-removed"] += bool(names_lost(store, base, result))
        counts["any hack"] += bool(set(flags) & set(HACKS))
    return number, {flag: counts[flag] / max(1, number) for flag in (*lint.FLAGS[1:], "name-removed", "any hack")}


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    home = Home(options.home)
    examples = [Example.from_json(line) for line in options.examples.read_text("utf-8").splitlines()]
    everything = tuple(edits(home))
    trees = {tree for pair in everything for tree in pair}
    verdicts = home.verdicts.get_many(trees, examples[0].toolchain, examples[0].suite)
    green = {tree for tree, verdict in verdicts.items() if verdict.green}
    kinds = {
        "fixes": [(example.base, example.target) for example in examples],
        "green": [pair for pair in everything if green.issuperset(pair)],
        "all": everything,
    }
    found = {kind: shares(home.trees, pairs) for kind, pairs in kinds.items()}
    table = Table(title="People's own edits that are flagged")
    table.add_column("flag")
    for kind, (number, _) in found.items():
        table.add_column(f"{kind}, {number:,}", justify="right")
    for flag in found["all"][1]:
        table.add_row(flag, *(f"{100 * share[flag]:.2f} %" for _, share in found.values()))
    Console().print(table)
    if options.json:
        print(json.dumps({kind: {f: round(s, 4) for f, s in share.items()} for kind, (_, share) in found.items()}))


if __name__ == "__main__":
    main()
