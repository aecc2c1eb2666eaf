"""The recorder beside git on a large working copy: time, memory, idle cost and space.

    python benchmarks/recorder.py [--files 50000] [--rounds 60] [--edits 1000] [--idle 300] [--json]

A git working copy of ``--files`` files of about 4 KB, 100 in a folder, is made with a fixed seed and committed. Beside
it stands what a person would do with git alone: ``git add -A && git write-tree`` into a shadow repository with the same
working tree, its index warm. Both get the same edits in the same rounds. The recorder's side is what runs in
``greenloop record``: the paths that changed are known (the watcher tells them), read, scanned for secrets, stored with
their trees, the journal and the index, and on the disk (synced) when it returns. The 10 files of a round lie in 10
folders drawn at random, which is the dear case; ``near`` is the same with 10 files of 3 folders. ``--idle`` runs the
real ``greenloop record start`` on the working copy and measures all its processes over that many seconds in which
nothing changes; then one file is changed to see that it was alive. The last line of ``--json`` is one object:

    files                files in the working copy
    incremental_ms_p50   milliseconds of a snapshot with 10 files changed, median (and _p95)
    near_ms_p50          the same where the files lie in 3 folders
    git_ms_p50           the same round's `git add -A && git write-tree`
    ratio                git_ms_p50 / incremental_ms_p50
    first_s, git_first_s       seconds of the first snapshot, and of git's first time
    reconcile_ms, git_status_ms  milliseconds of a look at every file with nothing changed, and of `git status`; medians
    idle_cpu_percent     per cent of one core, over --idle seconds (none when --idle 0)
    rss_mib              MiB resident in the recorder's process after that, the largest seen
    bytes_per_edit       bytes by which the store (objects and database) grows with each of --edits edits of one line,
                         after repacking
"""

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from greenloop.cli.home import Home
from greenloop.snapshots.recorder import Recorder, workspace_for
from greenloop.snapshots.secrets import Screen
from greenloop.snapshots.watching import Changes, ScriptedWatcher
from greenloop.workspace.upkeep import Upkeep
from greenloop.workspace.vcs import WorkingCopy

_SAID = (
    "let in match with fun if then else rec module struct end val type of string int list option Some None x y acc "
    "node left right key value result error List.map List.fold_left Hashtbl.find Printf.sprintf"
)
_WORDS = tuple(re.split(" ", _SAID))
_NOUNS = ("parser", "ledger", "table", "queue", "graph", "token", "price", "order", "codec", "route")
_FILE_BYTES = 4096
_IN_FOLDER = 100
_CHANGED = 10
_GIT = ("git", "-c", "user.name=Bench", "-c", "user.email=bench@example.org", "-c", "gc.auto=0")
_ALIVE_SECONDS = 60.0


@dataclass(frozen=True)
class Figures:
    """What was measured; the keys of the last line."""

    files: int
    incremental_ms_p50: float
    incremental_ms_p95: float
    near_ms_p50: float
    git_ms_p50: float
    ratio: float
    first_s: float
    git_first_s: float
    reconcile_ms: float
    git_status_ms: float
    idle_cpu_percent: float | None
    rss_mib: float | None
    bytes_per_edit: float


def source(rng: random.Random) -> str:
    """Return a file of OCaml-like lines of about 4 KB."""
    lines: list[str] = []
    size = 0
    while size < _FILE_BYTES:
        words = " ".join(rng.choice(_WORDS) for _ in range(rng.randrange(3, 11)))
        lines.append("  " * rng.randrange(4) + f"{words} {rng.randrange(100_000)}\n")
        size += len(lines[-1])
    return "".join(lines)


def generate(root: Path, files: int) -> list[str]:
    """Write the working copy, and return the paths of its files."""
    rng = random.Random(20)
    paths = []
    for number in range(files):
        folder, place = divmod(number, _IN_FOLDER)
        # no two files of a name, as OCaml's modules: git looks for the versions of a file among those of its name
        path = f"lib{folder // 25:03d}/part{folder % 25:02d}/src/{rng.choice(_NOUNS)}_{number:05x}.ml"
        target = root / path
        if place == 0:
            target.parent.mkdir(parents=True)
        target.write_text(source(rng))
        paths.append(path)
    return paths


class Git:
    """What a person would do with git alone: a shadow repository whose working tree is the recorded folder."""

    def __init__(self, root: Path, shadow: Path) -> None:
        self._root = root
        self._environment = {**os.environ, "GIT_DIR": str(shadow), "GIT_WORK_TREE": str(root)}
        subprocess.run(["git", "init", "--quiet", "--bare", str(shadow)], check=True)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*_GIT, *arguments], cwd=self._root, env=self._environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def snapshot(self) -> str:
        """Store the folder, and return the id of its tree."""
        self._run("add", "-A")
        return self._run("write-tree")


def seconds(work: object) -> float:
    """Return the seconds that calling ``work`` takes."""
    assert callable(work)
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def touch_up(root: Path, paths: list[str], mark: int) -> Changes:
    """Add a line to each file, and return what a watcher would tell."""
    for path in paths:
        with (root / path).open("a") as file:
            file.write(f"let edit_{mark} = {mark}\n")
    return Changes(frozenset(os.fsencode(path) for path in paths))


def spread(rng: random.Random, paths: list[str]) -> list[str]:
    """Draw 10 files, each in a folder of its own."""
    folders = rng.sample(range(len(paths) // _IN_FOLDER), min(_CHANGED, len(paths) // _IN_FOLDER))
    return [paths[folder * _IN_FOLDER + rng.randrange(_IN_FOLDER)] for folder in folders]


def near(rng: random.Random, paths: list[str]) -> list[str]:
    """Draw 10 files of 3 folders."""
    folders = rng.sample(range(len(paths) // _IN_FOLDER), 3)
    chosen = [folders[0]] * 5 + [folders[1]] * 3 + [folders[2]] * 2
    places = rng.sample(range(_IN_FOLDER), _CHANGED)
    return [paths[folder * _IN_FOLDER + place] for folder, place in zip(chosen, places, strict=True)]


class Bench:
    """The two sides over one working copy."""

    def __init__(self, scratch: Path, files: int) -> None:
        self.root = scratch / "work"
        self.root.mkdir()
        self.paths = generate(self.root, files)
        subprocess.run(["git", "init", "--quiet"], cwd=self.root, check=True)
        (self.root / "greenloop.toml").write_text('version = 1\n[record]\nbuilds = "reported"\n')
        subprocess.run([*_GIT, "add", "-A"], cwd=self.root, check=True)
        subprocess.run([*_GIT, "commit", "--quiet", "-m", "all"], cwd=self.root, check=True)
        self.home = Home(scratch / "home")
        self.git = Git(self.root, scratch / "shadow.git")
        reader = WorkingCopy(self.root, self.home.trees, scratch / "cache", screen=Screen())
        workspace = workspace_for("bench", "recorder")
        self.recorder = Recorder(self.home.snapshots, workspace, reader, ScriptedWatcher(()))
        self.reader = reader
        self._mark = 0

    def first(self) -> tuple[float, float]:
        """Return the seconds of the first snapshot, and of git's."""
        ours = seconds(self.recorder.take)
        theirs = seconds(self.git.snapshot)
        self.agree()
        return ours, theirs

    def agree(self) -> None:
        """Make sure that both sides saw the same files."""
        last = self.home.snapshots.last("recorder/bench/recorder")
        assert last is not None
        assert last.tree == self.git.snapshot(), "the two sides differ"

    def edit(self, chosen: list[str]) -> tuple[float, float]:
        """Change the files, and return the seconds of both sides' snapshots."""
        self._mark += 1
        changes = touch_up(self.root, chosen, self._mark)
        ours = seconds(lambda: self.recorder.take(changes))
        theirs = seconds(self.git.snapshot)
        return ours, theirs

    def rounds(self, number: int) -> tuple[list[float], list[float], list[float]]:
        """Return the seconds of snapshots far apart, near each other, and of git's."""
        rng = random.Random(7)
        far, close, theirs = [], [], []
        for _ in range(number):
            ours, git = self.edit(spread(rng, self.paths))
            far.append(ours)
            theirs.append(git)
            close.append(self.edit(near(rng, self.paths))[0])
        self.agree()
        return far, close, theirs

    def still(self, number: int) -> tuple[float, float]:
        """Return the median seconds of a look at everything with nothing changed, and of ``git status``."""
        ours, theirs = [], []
        status = [*_GIT, "status", "--porcelain"]
        for _ in range(number):
            ours.append(seconds(self.reader.reconcile))
            theirs.append(seconds(lambda: subprocess.run(status, cwd=self.root, check=True, stdout=subprocess.DEVNULL)))
        return statistics.median(ours), statistics.median(theirs)

    def space(self, edits: int) -> float:
        """Return the bytes by which the store grows with each edit of one line, once it is repacked."""
        rng = random.Random(9)
        before = self._size()
        for _ in range(edits):
            self._mark += 1
            path = rng.choice(self.paths)
            self.recorder.take(touch_up(self.root, [path], self._mark))
        return (self._size() - before) / edits

    def _size(self) -> int:
        trees = self.home.snapshots.trees
        trees.flush()
        upkeep = Upkeep(trees)
        upkeep.repack(thorough=True)
        database = self.home.snapshots.path
        return upkeep.size_bytes() + sum(part.stat().st_size for part in database.parent.glob(f"{database.name}*"))


def idle(bench: Bench, length: float) -> tuple[float, float]:
    """Run the real recorder over the working copy; return its per cent of a core and its MiB while nothing changes."""
    home = bench.home.path.with_name("idle-home")
    record = [sys.executable, "-m", "greenloop", "--home", str(home), "record"]
    subprocess.run([*record, "start", str(bench.root), "--yes"], check=True, stdout=sys.stderr)
    try:
        asked = [*record, "status", str(bench.root), "--json"]
        while json.loads(subprocess.run(asked, check=False, capture_output=True).stdout)["last"] is None:
            time.sleep(1)
        time.sleep(25)
        pid = next(
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if str(home) in (words := process.info["cmdline"] or []) and "greenloop.cli.record" in words
        )
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        before = _spent(family)
        peak = 0.0
        end = time.monotonic() + length
        while time.monotonic() < end:
            time.sleep(min(5.0, max(0.1, end - time.monotonic())))
            peak = max(peak, psutil.Process(pid).memory_info().rss / (1 << 20))
        spent = _spent(family) - before
        _changes_are_seen(bench, asked)
        return 100 * spent / length, peak
    finally:
        subprocess.run([*record, "stop", str(bench.root)], check=True, stdout=sys.stderr)


def _spent(family: list[psutil.Process]) -> float:
    """Return the seconds of processor time of the processes, and of their children that ended."""
    total = 0.0
    for process in family:
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _changes_are_seen(bench: Bench, asked: list[str]) -> None:
    """A recorder that is idle because it is dead must not win."""
    before = json.loads(subprocess.run(asked, check=True, capture_output=True).stdout)["snapshots"]
    touch_up(bench.root, bench.paths[:1], 10_000_000)
    deadline = time.monotonic() + _ALIVE_SECONDS
    while json.loads(subprocess.run(asked, check=True, capture_output=True).stdout)["snapshots"] == before:
        assert time.monotonic() < deadline, "the recorder did not see a change"
        time.sleep(1)


def measure(scratch: Path, files: int, rounds: int, edits: int, idle_seconds: float) -> Figures:
    """Measure everything, in the order in which a developer's day goes."""
    bench = Bench(scratch, files)
    first, git_first = bench.first()
    far, close, theirs = bench.rounds(rounds)
    reconcile, status = bench.still(max(5, rounds // 6))
    per_edit = bench.space(edits)
    cpu, rss = idle(bench, idle_seconds) if idle_seconds else (None, None)
    middle = statistics.median(far)
    return Figures(
        files=files,
        incremental_ms_p50=round(middle * 1e3, 2),
        incremental_ms_p95=round(statistics.quantiles(far, n=20)[-1] * 1e3, 2),
        near_ms_p50=round(statistics.median(close) * 1e3, 2),
        git_ms_p50=round(statistics.median(theirs) * 1e3, 2),
        ratio=round(statistics.median(theirs) / middle, 1),
        first_s=round(first, 2),
        git_first_s=round(git_first, 2),
        reconcile_ms=round(reconcile * 1e3, 1),
        git_status_ms=round(status * 1e3, 1),
        idle_cpu_percent=None if cpu is None else round(cpu, 3),
        rss_mib=None if rss is None else round(rss, 1),
        bytes_per_edit=round(per_edit, 1),
    )


def _shown(figures: Figures) -> Table:
    table = Table(title=f"The recorder and git on {figures.files} files", box=None, title_justify="left")
    for column in ("", "recorder", "git", "times"):
        table.add_column(column, justify="left" if not column else "right")
    one = figures
    far, git = one.incremental_ms_p50, one.git_ms_p50
    table.add_row("10 files in 10 folders, ms, median", f"{far}", f"{git}", f"{one.ratio} faster")
    table.add_row("  95 % of them within, ms", f"{one.incremental_ms_p95}", "", "")
    table.add_row(
        "10 files in 3 folders, ms, median", f"{one.near_ms_p50}", f"{git}", f"{git / one.near_ms_p50:.1f} faster"
    )
    table.add_row("first snapshot, s", f"{one.first_s}", f"{one.git_first_s}", f"{one.first_s / one.git_first_s:.2f}")
    still = one.reconcile_ms / one.git_status_ms
    table.add_row("nothing changed, ms (git: status)", f"{one.reconcile_ms}", f"{one.git_status_ms}", f"{still:.2f}")
    table.add_row("idle, % of a core", f"{one.idle_cpu_percent}", "", "")
    table.add_row("resident, MiB", f"{one.rss_mib}", "", "")
    table.add_row("one-line edit, bytes once repacked", f"{one.bytes_per_edit}", "", "")
    return table


def main() -> None:
    """Read the options, measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=50_000, help="files in the working copy, in hundreds")
    parser.add_argument("--rounds", type=int, default=60, help="snapshots of each kind")
    parser.add_argument("--edits", type=int, default=1000, help="one-line edits whose space is measured")
    parser.add_argument("--idle", type=float, default=300.0, help="seconds of idling; 0: not measured")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    given = parser.parse_args()
    if given.files % _IN_FOLDER or given.files < _CHANGED * _IN_FOLDER:
        parser.error(f"--files must be hundreds, {_CHANGED * _IN_FOLDER} at the least")
    scratch = Path(tempfile.mkdtemp(prefix="greenloop-recorder-"))
    try:
        figures = measure(scratch, given.files, given.rounds, given.edits, given.idle)
    finally:
        shutil.rmtree(scratch)
    Console(width=110).print(_shown(figures))
    if given.json:
        print(json.dumps(asdict(figures)))


if __name__ == "__main__":
    main()
