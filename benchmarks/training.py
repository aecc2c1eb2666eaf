"""How good the trained model is on held-out tasks, scored anew: never copied from a card.

    python benchmarks/training.py (--dataset DIR | --sessions FILE) [--part test] [--model NAME] [--base-model NAME]
                                  [--sft-model NAME] [--rl-model NAME] [--n TASKS] [--samples 8] [--home DIR] [--json]

``--model`` is the shipped model (the default of the settings unless given): asked greedily and ``--samples`` times,
with what `greenloop fix` asks beside it. The other models are asked greedily alone, on the same tasks; ``--n`` limits
the tasks. The runs go to a folder that is thrown away; verdicts, and what was mined from sessions, stay in the
home. The last line of ``--json`` is

    {"heldout_n": …, "fixed_at_1": …, "fixed_at_8": …, "same_shown": …, "exact_shown": …, "search_same_shown": …,
     "base_fixed_at_1": …, "sft_fixed_at_1": …, "rl_fixed_at_1": …, "seconds_per_attempt": …}

A key whose model was not named, or whose measure no task has, is null, and a line on stderr says why.
``fixed_at_1`` is the greedy reply; ``fixed_at_8`` any of 8 sampled ones, null where fewer were asked for.
``…_shown`` is the one answer that would be shown, of the model and of what is asked beside it; ``search_same_shown``
that without the model. ``seconds_per_attempt`` is the median wall clock of the greedy reply, judging left out. How each
is counted: docs/evaluation.md.
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

_SEARCH = "search"
"""What the label of the model-free search begins with; the compiler's own hints alone are no search."""


def scored(options: argparse.Namespace, model: str | None, words: list[str], out: Path) -> dict[str, Any]:
    """Return the report of `greenloop eval run --json` for one model."""
    home = [] if options.home is None else ["--home", str(options.home)]
    source = ["--sessions", options.sessions] if options.sessions else ["--dataset", options.dataset]
    command = [
        *(sys.executable, "-m", "greenloop", *home, "eval", "run", "--json", "--split", options.part),
        *map(str, source),
        *([] if model is None else ["--model", model]),
        *([] if options.n is None else ["--limit", str(options.n)]),
        *("--out", str(out), *words),
    ]
    report: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return report


def value(report: dict[str, Any], name: str) -> float | None:
    """Return a score by its name; ``None``, and a line on stderr, where the run has none or no task counts for it."""
    score = next((one for one in report["scores"] if one["name"] == name and one["tasks"]), None)
    if score is None:
        print(f"{name}: no task counts for it in this run: null", file=sys.stderr)
        return None
    return round(float(score["value"]), 4)


def figures(options: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Score every model that was named."""
    many = ["--n", str(options.samples), "--with-search"]
    main = scored(options, options.model, many, out / "model")
    found: dict[str, Any] = {
        "heldout_n": main["scored"],
        "fixed_at_1": value(main, "fixed@1"),
        "fixed_at_8": value(main, "fixed@8"),
        "same_shown": value(main, "same_shown"),
        "exact_shown": value(main, "exact_shown"),
        "search_same_shown": None,
    }
    if any(label.startswith(_SEARCH) for label in main["settings"]["sources"]):
        found["search_same_shown"] = value(main, "same_shown_without_model")
    else:
        print("search_same_shown: nothing was searched beside the model: null", file=sys.stderr)
    for key, model in (("base", options.base_model), ("sft", options.sft_model), ("rl", options.rl_model)):
        name = f"{key}_fixed_at_1"
        if model is None:
            print(f"{name}: no model was named by --{key}-model: null", file=sys.stderr)
        found[name] = None if model is None else value(scored(options, model, [], out / key), "fixed@1")
    latency = {one["name"]: one["p50"] for one in main["costs"]["latency"]}
    found["seconds_per_attempt"] = latency["the greedy reply"]
    return found


def main() -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--dataset", type=Path, help="a dataset folder")
    source.add_argument("--sessions", type=Path, help="a file of recorded OCaml top-level sessions")
    parser.add_argument("--part", default="test", help="train, valid, test or all")
    parser.add_argument("--model", help="the shipped model")
    parser.add_argument("--base-model", help="the model before any training")
    parser.add_argument("--sft-model", help="the model after supervised fine-tuning")
    parser.add_argument("--rl-model", help="the model after reinforcement learning")
    parser.add_argument("--n", type=int, help="how many tasks at most; all unless given")
    parser.add_argument("--samples", type=int, default=8, help="sampled replies of the shipped model a task")
    parser.add_argument("--home", type=Path, help="Greenloop's home; the usual one unless given")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="greenloop-scores-") as out:
        found = figures(options, Path(out))
    table = Table("figure", "value", title="Held-out tasks")
    for name, one in found.items():
        table.add_row(name, "null" if one is None else str(one))
    Console(stderr=options.json).print(table)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
