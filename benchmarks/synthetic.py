"""A start without a history: verified examples a minute, from green projects that are broken in typed ways.

    python benchmarks/synthetic.py [--project DIR]... [--count 300] [--seed 1] [--out DIR] [--json]

Each ``DIR`` holds a dune project that builds and passes its tests here; nothing is fetched. Without one, the project in
``examples/orderbook`` is taken. Each gets a home of its own, so that no verdict is known before; ``--out`` keeps the
examples. The minutes are wall clock of judging, the three runs of the green tree and the first warm build included. The
last line of ``--json`` is

    {"projects": {name: {"verified": …, "per_minute": …, "kinds": {kind: count}, "categories": {…}, "tried": …}},
     "synthetic_per_min": …}

where ``synthetic_per_min`` is all verified examples over all minutes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]


def mined(project: Path, count: int, seed: int, out: Path | None) -> dict[str, Any]:
    """Return what ``greenloop mine --synthetic --json`` counts in ``project``; ``out`` keeps the examples."""
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "examples.jsonl" if out is None else out.resolve() / f"{project.name}.jsonl"
        command = [
            *(sys.executable, "-m", "greenloop", "--home", f"{scratch}/home", "mine", "--synthetic", "--json"),
            *("--count", str(count), "--seed", str(seed), "--out", str(target)),
        ]
        done = subprocess.run(command, cwd=project, stdout=subprocess.PIPE, text=True, check=True)
    counts: dict[str, Any] = json.loads(done.stdout)
    return counts


def main() -> None:
    """Mine each project and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--project", type=Path, action="append", help="a green dune project; may be given again")
    parser.add_argument("--count", type=int, default=300, help="examples wanted of each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a folder that keeps the examples and their counts")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    projects = [path.resolve() for path in options.project or [ROOT / "examples" / "orderbook"]]
    found = {path.name: mined(path, options.count, options.seed, options.out) for path in projects}
    table = Table(title="Verified examples from green projects")
    for head in ("project", "verified", "tried", "a minute", "kinds", "categories"):
        table.add_column(head, justify="left" if head in {"project", "categories"} else "right")
    for name, one in found.items():
        categories = ", ".join(f"{count} {category}" for category, count in one["categories"].items())
        cells = (one["verified"], one["tried"], one["per_minute"], len(one["kinds"]))
        table.add_row(name, *map(str, cells), categories)
    Console().print(table)
    if options.json:
        kept = ("verified", "per_minute", "kinds", "categories", "tried")
        minutes = sum(one["minutes"] for one in found.values())
        made = sum(one["verified"] for one in found.values())
        rate = round(made / minutes, 1) if minutes else 0.0
        result = {name: {key: one[key] for key in kept} for name, one in found.items()}
        print(json.dumps({"projects": result, "synthetic_per_min": rate}))


if __name__ == "__main__":
    main()
