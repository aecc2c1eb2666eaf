"""What a run in the sandbox costs when its command does nothing.

    python benchmarks/sandbox.py [--runs 200] [--root DIR] [--json]

Kinds of runs take turns, so that a busy machine slows all of them alike. ``--json`` prints medians in milliseconds:
``empty_run_ms`` with nothing prepared, ``empty_run_spare_ms`` with drivers that wait in advance, ``bwrap_ms`` for
bubblewrap alone with the options of a run, ``true_ms`` for starting a program at all.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from greenloop.builds.sandbox import Bubblewrap, Command

_TRUE = Command(("/usr/bin/true",))
_BARE = (
    "--unshare-all --die-with-parent --new-session --clearenv --cap-drop ALL --uid 1000 --gid 1000 --hostname greenloop"
    " --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64"
    " --proc /proc --remount-ro /proc --dev /dev --remount-ro /dev --tmpfs /tmp --tmpfs /w --remount-ro / --chdir /w"
)
"""The layers of a run, without a tree."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="what an empty run in the sandbox costs")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--root", type=Path, help="a root file system, such as a toolchain image")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="greenloop-benchmark-") as folder:
        times = measure(Path(folder), wanted.runs, wanted.root)
    if wanted.json:
        medians = {f"{name}_ms": round(sorted(each)[len(each) // 2] * 1e3, 2) for name, each in times.items()}
        print(json.dumps(medians))
        return
    print(f"{'milliseconds':<28}{'best':>8}{'median':>8}{'p90':>8}{'p99':>8}")
    for name, each in times.items():
        each.sort()
        marks = (each[int((len(each) - 1) * part)] * 1e3 for part in (0, 0.5, 0.9, 0.99))
        print(f"{name:<28}" + "".join(f"{mark:>8.1f}" for mark in marks))


def measure(folder: Path, runs: int, root: Path | None) -> dict[str, list[float]]:
    """Return the seconds of each run, by kind."""
    lower, delta = folder / "lower", folder / "delta"
    for tree in (lower, delta):
        tree.mkdir()
        (tree / "file").write_text("text\n")
    bwrap = shutil.which("bwrap") or "bwrap"
    plain, spare = Bubblewrap(root=root), Bubblewrap(root=root, spare=2)

    def run(sandbox: Bubblewrap, *, edited: bool = False, commands: int = 1) -> None:
        done = sandbox.run_over(lower, delta=delta if edited else None, deletions=(), commands=[_TRUE] * commands)
        assert all(each.ok for each in done), done

    kinds: dict[str, Callable[[], object]] = {
        "true": lambda: subprocess.run(["/usr/bin/true"], check=True),
        "bwrap": lambda: subprocess.run([bwrap, *_BARE.split(), "--", "/usr/bin/true"], check=True),
        "empty_run": lambda: run(plain),
        "empty_run_spare": lambda: run(spare),
        "edited_run_spare": lambda: run(spare, edited=True),
        "three_commands_spare": lambda: run(spare, commands=3),
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(3):
        for work in kinds.values():
            work()
    for _ in range(runs):
        for name, work in kinds.items():
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
            time.sleep(0.005)  # for what waits in advance, as between two requests
    plain.close()
    spare.close()
    return times


if __name__ == "__main__":
    main()
