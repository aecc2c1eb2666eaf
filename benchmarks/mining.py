"""Mining: how fast histories are nominated, what they yield, and how much of it is right.

    python benchmarks/mining.py --sessions FILE [--project DIR]... [--from DIR --to DIR [--without PATH]...] [--json]

Four parts, each left out when its input is not given:

- **Nominating** (always): a store with ``--snapshots`` snapshots of one workspace, whose builds were reported, is read
  and nominated on one core, without builds; and a stream of a million snapshots (the same store read again and again,
  as one history) goes through a process of its own, whose peak of resident memory is told.
- **Yield** (``--sessions``, a file of the OCaml sessions corpus): mined twice, the second time from stored verdicts.
- **Precision and recall**: the labels in ``benchmarks/labels`` of a random sample of what was mined
  and of what was dropped, beside what mining says now. Recall is the share of the good pairs that was not dropped; its
  interval takes the worse end of both samples' intervals (Wilson, 95 %).
- **Synthetic examples** a minute (``--project``, see ``synthetic.py``) and **splitting** (``--from``, ``--to``, see
  ``split.py``).

The last line of ``--json`` is one object:

    {"snapshots_per_s":…, "rss_mib_1m":…, "fixes":…, "subfixes":…, "precision":…, "recall":…, "synthetic_per_min":…,
     "split":{"features":…, "pieces":…, "green_prefix_share":…, "exact":true, "builds":…}}

``subfixes`` counts the steps towards a fix; ``earlier`` the earlier reds of a run; ``verified`` all examples.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mining_labels import Judged, judged
from rich.console import Console
from rich.table import Table

from greenloop.mining import nominate
from greenloop.mining.funnel import Tally
from greenloop.mining.nominate import windows
from greenloop.mining.rules import Rules
from greenloop.mining.states import NAMES
from greenloop.records import Example, Snapshot, Status, Workspace
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import Entry, Mode, TreeStore

HERE = Path(__file__).resolve().parent
WORKSPACE = Workspace(id="desk", author="ada", title="desk", source="recorder")
MILLION = 1_000_000


def stores(folder: Path) -> tuple[TreeStore, SnapshotStore]:
    """Open the stores of the nomination's history."""
    trees = TreeStore(folder / "trees")
    return trees, SnapshotStore(folder / "snapshots.sqlite", trees)


def record(folder: Path, count: int) -> None:
    """Fill the stores: of every fifty snapshots three were reported red, and each seventh hundred begins a day."""
    trees, snapshots = stores(folder)
    with trees.staged():
        texts = (f"let x = {number}\n".encode() for number in range(500))
        known = [trees.write_tree({"a.ml": Entry(Mode.FILE, trees.write_blob(text))}) for text in texts]
    for start in range(0, count, 10_000):
        snapshots.add_history([WORKSPACE], (_snapshot(seq, known) for seq in range(start, min(start + 10_000, count))))
    snapshots.close()


def _snapshot(seq: int, trees: list[str]) -> Snapshot:
    red = seq % 50 in {17, 18, 31}
    return Snapshot(
        workspace=WORKSPACE.id, seq=seq, time=1e9 + 20 * seq + 40_000 * (seq // 700), tree=trees[seq % len(trees)],
        reported=Status.RED if red else Status.GREEN,
    )  # fmt: skip


def stream(snapshots: SnapshotStore, count: int) -> Iterator[Snapshot]:
    """Yield the stored history again and again, as one, until it has ``count`` snapshots."""
    passed = 0
    while passed < count:
        last = passed
        for one in snapshots.snapshots(WORKSPACE.id):
            if passed == count:
                return
            moved = {"seq": passed, "time": one.time + 20.0 * last}
            yield one.model_copy(update=moved)
            passed += 1


def look(history: Iterator[Snapshot]) -> tuple[int, int]:
    """Nominate a history; return how many windows there are, and how many snapshots lie in them."""
    tally = Tally(((nominate.UNIT, NAMES),))
    sizes = [0, 0]
    for window in windows(WORKSPACE, history, Rules(), tally):
        sizes[0] += 1
        sizes[1] += len(window.snapshots)
    return sizes[0], sizes[1]


def nominated(folder: Path, count: int) -> dict[str, Any]:
    """Measure snapshots nominated per second on one core (the best of five), and the memory of a million."""
    record(folder, count)
    _, snapshots = stores(folder)
    rates = []
    for _ in range(5):
        began = time.perf_counter()
        found, inside = look(snapshots.snapshots(WORKSPACE.id))
        rates.append(count / (time.perf_counter() - began))
    command = [sys.executable, __file__, "--stream", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {
        "snapshots_per_s": round(max(rates)), "snapshots_per_s_median": round(sorted(rates)[2]), "windows": found,
        "nominated": inside, "stored": count, **json.loads(done.stdout),
    }  # fmt: skip


def million(folder: Path) -> dict[str, float]:
    """Nominate a million snapshots here; return the peak of resident memory of this process, before and after."""
    _, snapshots = stores(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    look(stream(snapshots, MILLION))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rss_mib_1m": round(after, 1), "rss_mib_before": round(before, 1)}


def mined(sessions: Path, folder: Path) -> tuple[dict[str, Any], list[Example], Path]:
    """Import and mine a corpus twice; return the counts, the examples, and the file with what was dropped."""
    out = folder / "examples.jsonl"
    greenloop = [sys.executable, "-m", "greenloop", "--home", str(folder / "home")]
    subprocess.run([*greenloop, "import", "ocaml-top", str(sessions)], check=True, stdout=subprocess.DEVNULL)
    seconds, prints = [], []
    for _ in range(2):
        began = time.perf_counter()
        subprocess.run([*greenloop, "mine", "--out", str(out)], check=True, stdout=subprocess.DEVNULL, cwd=folder)
        seconds.append(round(time.perf_counter() - began, 1))
        prints.append(hashlib.sha256(out.read_bytes()).hexdigest())
    examples = [Example.from_json(line) for line in out.read_text("utf-8").splitlines()]
    origins = Counter(one.origin.value for one in examples)
    figures = {
        "verified": len(examples), "fixes": origins["episode"], "subfixes": origins["subfix"],
        "earlier": origins["earlier"], "seconds": seconds[0], "second_run_seconds": seconds[1],
        "identical": prints[0] == prints[1],
    }  # fmt: skip
    return figures, examples, out.with_suffix(".dropped.jsonl")


def other(script: str, *words: str) -> dict[str, Any]:
    """Run another benchmark of this folder and return its object."""
    command = [sys.executable, str(HERE / script), *words, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Run the parts whose inputs were given."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="greenloop-mining-") as scratch:
        figures |= nominated(Path(scratch, "stream"), options.snapshots)
        if options.sessions:
            counts, examples, dropped = mined(options.sessions.resolve(), Path(scratch))
            figures |= counts | _told(judged(HERE / "labels", examples, dropped))
    if options.project:
        words = [word for project in options.project for word in ("--project", str(project))]
        figures["synthetic_per_min"] = other("synthetic.py", *words)["synthetic_per_min"]
    if options.before and options.after:
        left_out = [word for path in options.without for word in ("--without", path)]
        found = other("split.py", "--from", str(options.before), "--to", str(options.after), *left_out)
        keys = ("features", "pieces", "green_prefix_share", "exact", "builds")
        figures["split"] = {key: found[key] for key in keys}
    return figures


def _told(labels: Judged) -> dict[str, Any]:
    return {
        "precision": labels.precision.share, "precision_interval": labels.precision.interval,
        "recall": labels.recall.share, "recall_interval": labels.recall.interval,
        "labelled": labels.labelled, "stale_labels": labels.stale,
    }  # fmt: skip


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sessions", type=Path, help="an ocaml-top sessions file")
    parser.add_argument("--snapshots", type=int, default=50_000, help="snapshots in the store that is nominated")
    parser.add_argument("--project", type=Path, action="append", help="a green dune project; may be given again")
    parser.add_argument("--from", dest="before", type=Path, help="a folder with the older version of a project")
    parser.add_argument("--to", dest="after", type=Path, help="a folder with the newer version")
    parser.add_argument("--without", action="append", default=[], help="a path to leave out of both versions")
    parser.add_argument("--stream", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    if options.stream:
        print(json.dumps(million(options.stream)))
        return
    figures = measured(options)
    table = Table("figure", "value", title="Mining")
    for name, value in figures.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int) and value is not True else str(value))
    Console().print(table)
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
