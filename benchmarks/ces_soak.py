"""A long run of the code evaluation service, and what it leaves behind: processes, mounts, handles, folders, memory.

    python benchmarks/ces_soak.py [--evaluations 5000] [--clients 16] [--suite check] [--json]

A real ``greenloop ces serve`` over a small generated project gets edits of every kind from many clients: green and red
ones, ones that do not apply, ones that were asked before, endless loops, and requests whose client goes away in the
middle. Before and after, at rest both times, it is counted what the service holds. Exit status 1 when something has
grown: handles by more than the pools of connections, memory by more than a quarter, or anything else at all.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from greenloop.ces.client import AsyncClient, Client
from greenloop.records import EnvironmentFault, EvaluationLimits, EvaluationRequest, Status, Suite

_FILES = {
    "dune-project": "(lang dune 2.9)\n",
    "lib/dune": "(library (name calc))\n",
    "lib/calc.ml": "let add x y = x + y\nlet twice x = 2 * x\n",
    "test/dune": "(test (name t) (libraries calc))\n",
    "test/t.ml": 'let () = assert (Calc.add 1 2 = 3); print_endline "adds"\n',
}
_GIT = ("git", "-c", "user.name=Soak", "-c", "user.email=soak@example.org")
_SETTLE_SECONDS = 60.0
_MOST_MEMORY = 1.25
_POOLED_HANDLES = 12
"""Idle connections to databases are kept in pools, a few more the more was ever asked at once."""


@dataclass(frozen=True)
class Held:
    """What the service holds at one moment of rest."""

    processes: int
    mounts: int
    handles: int
    folders: int
    memory_mib: float


def edit_of(line: str) -> str:
    """Return a diff that puts ``line`` in the place of the second one of ``lib/calc.ml``."""
    return (
        "--- a/lib/calc.ml\n+++ b/lib/calc.ml\n@@ -1,2 +1,2 @@\n let add x y = x + y\n-let twice x = 2 * x\n+"
        + line
        + "\n"
    )


def requests(count: int, suite: Suite, seed: int) -> Iterator[tuple[EvaluationRequest, float | None]]:
    """Yield requests of every kind, each with the seconds after which its client goes away."""
    chance = random.Random(seed)
    for number in range(count):
        kind = chance.choices(
            ("green", "red", "syntax", "misfit", "again", "endless", "gone"), (30, 25, 10, 10, 15, 2, 8)
        )[0]
        limits, leaves, judged = EvaluationLimits(), None, suite
        match kind:
            case "green":
                diff = edit_of(f"let twice x = x + x + {number} - {number}")
            case "red":
                diff = edit_of(f'let twice x = x + "{number}"')
            case "syntax":
                diff = edit_of(f"let twice x = ({number}")
            case "misfit":
                diff = edit_of("let twice x = x").replace("2 * x", f"{number} * x")
            case "again":
                diff = edit_of("let twice x = x + x")
            case "endless":
                # a test calls `add`
                diff = edit_of(f"let twice x = {number} * x").replace(" let add x y = x + y", "-let add x y = x + y")
                diff = diff.replace("+let twice", "+let add _ _ = while true do () done; 0\n+let twice")
                limits, judged = EvaluationLimits(seconds=1), Suite.TEST
            case _:
                diff, leaves = edit_of(f"let twice x = x * 2 + {number}"), chance.uniform(0.0, 0.2)
        yield EvaluationRequest(revision="HEAD", diff=diff, suite=judged, limits=limits), leaves


async def ask_all(socket: Path, count: int, clients: int, suite: Suite, seed: int) -> Counter[str]:
    """Ask everything with so many clients, and return how often each status came."""
    ends: Counter[str] = Counter()
    source = requests(count, suite, seed)

    async def one() -> None:
        async with AsyncClient(socket, tries=100) as client:
            for request, leaves in source:
                try:
                    async with asyncio.timeout(leaves):
                        ends[(await client.evaluate(request)).status.value] += 1
                except TimeoutError:
                    ends["left"] += 1

    await asyncio.gather(*(one() for _ in range(clients)))
    return ends


def held(server: psutil.Process, home: Path) -> Held:
    """Count what the service holds now."""
    family = [server, *server.children(recursive=True)]
    return Held(
        processes=len(family),
        mounts=len(Path(f"/proc/{server.pid}/mounts").read_text().splitlines()),
        handles=server.num_fds(),
        folders=sum(1 for path in home.rglob("*") if path.is_dir() and "objects" not in path.parts),
        memory_mib=round(server.memory_info().rss / 2**20, 1),
    )


def at_rest(server: psutil.Process, home: Path, wanted: Held | None = None) -> Held:
    """Return what is held once nothing changes any more, or is no more than was wanted."""
    last, since, end = held(server, home), time.monotonic(), time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < end:
        time.sleep(0.2)
        now = held(server, home)
        if wanted is not None and not grown(wanted, now):
            return now
        if (now.processes, now.handles, now.folders) != (last.processes, last.handles, last.folders):
            last, since = now, time.monotonic()
        elif wanted is None and time.monotonic() - since > 3:
            return now
    return held(server, home)


def grown(before: Held, after: Held) -> list[str]:
    """Return what has grown beyond its bound."""
    bounds = {
        "processes": before.processes,
        "mounts": before.mounts,
        "handles": before.handles + _POOLED_HANDLES,
        "folders": before.folders,
        "memory_mib": _MOST_MEMORY * before.memory_mib,
    }
    return [name for name, bound in bounds.items() if getattr(after, name) > bound]


@contextmanager
def service(folder: Path, workers: int) -> Iterator[tuple[psutil.Process, Path]]:
    """Serve a small project below ``folder``; yields the process and its socket."""
    project = folder / "project"
    for name, text in _FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "soak")):
        subprocess.run([*_GIT, *words], cwd=project, check=True)
    socket = folder / "s" / "ces.sock"
    command = [sys.executable, "-m", "greenloop", "--home", str(folder / "home"), "ces", "serve", "--warm", "HEAD"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--socket", str(socket), "--workers", str(workers)], cwd=project, stdout=log, stderr=log
        )
        try:
            wait_ready(process, socket, folder / "log")
            yield psutil.Process(process.pid), socket
        finally:
            process.terminate()
            process.wait(30)


def wait_ready(process: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    """Wait until the service can judge; show its log when it ends instead."""
    with Client(socket) as client:
        while process.poll() is None:
            with suppress(EnvironmentFault):
                client.wait_ready(2)
                return
    raise SystemExit(f"the service ended:\n{log.read_text()[-3000:]}")


def soak(evaluations: int, clients: int, workers: int, suite: Suite) -> dict[str, object]:
    """Run it and return the report."""
    with tempfile.TemporaryDirectory(prefix="ces-soak-") as name:
        folder = Path(name)
        with service(folder, workers) as (server, socket):
            # what a service holds after its first work is what it holds for good
            asyncio.run(ask_all(socket, max(40, evaluations // 20), clients, suite, seed=0))
            before = at_rest(server, folder / "home")
            began = time.monotonic()
            ends = asyncio.run(ask_all(socket, evaluations, clients, suite, seed=1))
            seconds = time.monotonic() - began
            after = at_rest(server, folder / "home", before)
    return {
        "evaluations": evaluations,
        "seconds": round(seconds, 1),
        "per_second": round(evaluations / seconds, 1),
        "ends": dict(sorted(ends.items())),
        "before": asdict(before),
        "after": asdict(after),
        "grown": grown(before, after) + ([Status.INFRA_ERROR.value] if ends[Status.INFRA_ERROR.value] else []),
    }


def main() -> int:
    """Run the soak and print it. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=5_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--suite", type=Suite, choices=list(Suite), default=Suite.CHECK)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    report = soak(asked.evaluations, asked.clients, asked.workers, asked.suite)
    if asked.json:
        print(json.dumps(report))
    else:
        for key, value in report.items():
            print(f"{key:12} {value}")
    return 1 if report["grown"] else 0


if __name__ == "__main__":
    sys.exit(main())
