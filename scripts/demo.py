"""``make demo``: the whole loop on ``examples/``, by the commands that anyone would type.

history → verified examples → dataset → a model scored on held-out tasks → a red workspace repaired, or honestly not →
a report. Everything lands in ``build/demo``; nothing needs the network.
"""

import json
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.rule import Rule

from greenloop.datasets.load import load
from greenloop.records import Example
from greenloop.workspace.store import TreeStore

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "demo"
PROJECT = ROOT / "examples" / "orderbook"
MAX_WORKSPACES = 3
"""So many held-out red workspaces are tried, newest first, until one is repaired; each try is told."""

console = Console(highlight=False)


def greenloop(*arguments: str, allowed: tuple[int, ...] = (0,)) -> int:
    """Show a command as a person would type it, run it, and return its exit status."""
    words = [str(Path(one).relative_to(ROOT)) if one.startswith(str(ROOT)) else one for one in arguments]
    console.print(f"[bold cyan]$ greenloop {shlex.join(words)}[/]", soft_wrap=True)
    common = ["--home", str(OUT / "home"), "--config", str(PROJECT / "greenloop.toml")]
    status = subprocess.run([sys.executable, "-m", "greenloop", *common, *words], cwd=ROOT, check=False).returncode
    if status not in allowed:
        sys.exit(f"demo: that command ended with status {status}")
    return status


def step(title: str) -> None:
    """Begin a part of the demo."""
    console.print()
    console.print(Rule(title, align="left", style="dim"))


def held_out_reds(dataset: Path) -> tuple[Example, ...]:
    """Return the held-out examples, newest first: their bases are workspaces that really were red."""
    return tuple(sorted(load(dataset).examples("test"), key=lambda example: (-example.time, example.id)))


def repair(reds: tuple[Example, ...]) -> dict[str, object]:
    """Try ``greenloop fix`` on red workspaces until one is repaired; return what the last one came to."""
    store = TreeStore(OUT / "home" / "objects.git")
    outcome: dict[str, object] = {}
    tried = reds[:MAX_WORKSPACES]
    for number, example in enumerate(tried, 1):
        folder = OUT / f"workspace-{number}"
        store.materialise(example.base, folder)
        console.print(f"[dim]{example.author}'s workspace as it was, red, put into {folder.relative_to(ROOT)}[/]")
        saved = OUT / f"fix-{number}.json"
        greenloop("fix", str(folder), "--save", str(saved), allowed=(0, 1))
        outcome = json.loads(saved.read_text())
        outcome["tried"] = number
        if outcome["fixed"]:
            break
        console.print()
    return outcome


def main() -> None:
    """Run the demo."""
    start = time.monotonic()
    OUT.mkdir(parents=True, exist_ok=True)
    for path in OUT.iterdir():
        # the home stays: verdicts belong to trees, so a second demo answers from those of the first
        if path.name != "home":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    examples, dataset, run = OUT / "examples.jsonl", OUT / "dataset", OUT / "eval"

    step("1. A history that Greenloop recorded while people wrote an OCaml project")
    greenloop("record", "import", str(PROJECT / "history.jsonl.xz"))
    greenloop("record", "log")
    step("2. Red → green episodes, each proven by builds of both ends, become examples")
    greenloop("mine", "--out", str(examples))
    step("3. A dataset with held-out people")
    greenloop("dataset", "build", str(examples), "--out", str(dataset))
    step("4. The local model on the held-out tasks: every answer is applied and type-checked")
    greenloop("eval", "run", "--dataset", str(dataset), "--out", str(run))
    step("5. Real red workspaces: repaired, or honestly not")
    fix = repair(held_out_reds(dataset))
    step("6. The report")
    saved = OUT / f"fix-{fix['tried']}.json"
    page = ["--title", "Greenloop: the loop on examples/orderbook", "--out", str(OUT / "report.html")]
    parts = ["--examples", str(examples), "--dataset", str(dataset), "--eval", str(run), "--fix", str(saved)]
    greenloop("eval", "report", *parts, *page)

    funnel = json.loads((OUT / "examples.funnel.json").read_text())
    scores = json.loads((run / "report.json").read_text())
    fixed = next(score["value"] for score in scores["scores"] if score["name"] == "fixed@1")
    report = {
        "examples_mined": funnel["mined"],
        "examples_verified": funnel["verified"],
        "heldout_n": scores["scored"],
        "fixed_at_1": fixed,
        "fix_attempted": fix.get("tried", 0),
        "fix_fixed": fix.get("fixed", False),
        "fix_badge": fix.get("badge") or "unverified",
        "fix_by": fix.get("model"),
        "seconds": round(time.monotonic() - start, 1),
    }
    (OUT / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    console.print()
    console.print_json(json.dumps(report))
    console.print(f"Open [bold]{(OUT / 'report.html').relative_to(ROOT)}[/] in a browser for the pictures.")


if __name__ == "__main__":
    main()
