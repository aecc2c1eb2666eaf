"""The loop on real sessions: import, mine, dataset; twice, with what each step cost.

    python benchmarks/loop.py --sessions FILE [--json] [--sample N]

The first run starts from an empty home; the second answers from stored verdicts and must yield the same bytes.
Beside it stands the bare compiler on a sample of the same trees, one process each, without sandbox or store: what
judging costs at the least. The last line of ``--json`` is one object:

    events          events in the sessions file
    trees           distinct trees judged
    verified        red→green examples of at most 100 changed lines with verdicts on both trees
    seconds         wall clock of the first run
    peak_rss_mib    MiB, the largest sum of resident memory over the whole process tree, sampled every 50 ms
    second_run_seconds, identical
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from greenloop.cli.home import Home


@dataclass(frozen=True)
class Step:
    """One command of a run: its name, wall-clock seconds, and peak resident MiB of its process tree."""

    name: str
    seconds: float
    peak_mib: float


def measure(name: str, arguments: list[str]) -> Step:
    """Run ``greenloop`` with ``arguments`` and watch it."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "greenloop", *arguments], stdout=subprocess.DEVNULL)
    peak = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        root = psutil.Process(process.pid)
        while not done.wait(0.05):
            total = 0
            try:
                family = [root, *root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            for member in family:
                try:
                    total += member.memory_info().rss
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
            peak = max(peak, total / 2**20)

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    if status != 0:
        raise SystemExit(f"greenloop {' '.join(arguments)} ended with {status}")
    return Step(name, seconds, peak)


def run(home: Path, sessions: Path, out: Path) -> list[Step]:
    """Run the three steps with ``home``; examples and the dataset end below ``out``."""
    common = ["--home", str(home)]
    examples = out / "examples.jsonl"
    return [
        measure("import", [*common, "import", "ocaml-top", str(sessions)]),
        measure("mine", [*common, "mine", "--out", str(examples)]),
        measure("dataset", [*common, "dataset", "build", str(examples), "--out", str(out / "dataset")]),
    ]


def digests(folder: Path) -> dict[str, str]:
    """Return path → SHA-256 of every file below ``folder``."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def bare_compiler(home: Home, sample: int) -> float:
    """Return the milliseconds that bare ``ocamlc -stop-after typing`` takes for one tree, over a sample."""
    trees = sorted(
        {snapshot.tree for work in home.snapshots.workspaces() for snapshot in home.snapshots.snapshots(work.id)}
    )
    chosen = trees[:: max(1, len(trees) // sample)][:sample]
    with tempfile.TemporaryDirectory() as scratch:
        for tree in chosen:
            home.trees.materialise(tree, Path(scratch, tree))
        start = time.perf_counter()
        for tree in chosen:
            for source in Path(scratch, tree).rglob("*.ml"):
                command = ["ocamlc", "-w", "-a", "-stop-after", "typing", str(source)]
                subprocess.run(command, capture_output=True, check=False)
        return 1000 * (time.perf_counter() - start) / len(chosen)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sessions", type=Path, required=True, help="an ocaml-top sessions file")
    parser.add_argument("--sample", type=int, default=300, help="trees for the bare compiler")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home, first, second = Path(scratch, "home"), Path(scratch, "1"), Path(scratch, "2")
        runs = [run(home, options.sessions, out) for out in (first, second)]
        identical = digests(first) == digests(second)
        funnel = json.loads((first / "examples.funnel.json").read_text())
        bare = bare_compiler(Home(home), options.sample)
    table = Table(title="The loop on real sessions")
    for column in ("step", "first run, s", "second run, s", "peak, MiB"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for one, two in zip(*runs, strict=True):
        table.add_row(one.name, f"{one.seconds:.1f}", f"{two.seconds:.1f}", f"{max(one.peak_mib, two.peak_mib):.0f}")
    totals = [sum(step.seconds for step in steps) for steps in runs]
    peak = max(step.peak_mib for steps in runs for step in steps)
    table.add_row("all", f"{totals[0]:.1f}", f"{totals[1]:.1f}", f"{peak:.0f}")
    Console().print(table)
    each = 1000 * runs[0][1].seconds / funnel["trees"]
    print(f"judging: {each:.1f} ms a tree, all costs included; bare compiler, one process at a time: {bare:.1f} ms")
    if options.json:
        figures = {
            "events": funnel["snapshots"],
            "trees": funnel["trees"],
            "verified": funnel["verified"],
            "seconds": round(totals[0], 1),
            "peak_rss_mib": round(peak),
            "second_run_seconds": round(totals[1], 1),
            "identical": identical,
            "bare_compiler_ms": round(bare, 1),
        }
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
