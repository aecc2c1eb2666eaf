"""The code evaluation service beside plain dune: what a verdict over HTTP costs, and what it would cost without.

    python benchmarks/ces.py [--modules 120] [--toolchain debian|image] [--rounds 15] [--json]

A generated project (``dune_project.py``) is committed and warmed in a real ``greenloop ces serve`` on a Unix socket.
Each round makes an edit never seen before and has it judged by plain dune, in place in a warm copy without any
sandbox, and by the service; the two take turns within one run. Plain dune is started by a shell that is already
there, and is given the same files again before the next round, untimed. Medians, in milliseconds. The last line of
``--json`` is one object:

    check_red_ms, check_green_ms      diff submitted → verdict, suite ``check``, over HTTP
    dune_check_ms, check_ratio        ``dune build @check`` in place after the green edit; the worse of the two ratios
    tests_ms, dune_tests_ms, tests_ratio   suite ``test`` and ``dune build @all @runtest``
    cold_ms, cold_speedup             a fresh copy built and tested from nothing; cold_ms / tests_ms
    cold_check_ms, cold_check_speedup  a fresh copy type-checked from nothing; cold_check_ms / check_green_ms
    memo_ms                           a verdict seen before
    overhead_p50_ms, overhead_p99_ms  the service itself, 16 clients waiting, with a toolchain whose check is ``true``:
                                      a client's wait from request to answer, less the wait for a worker that others
                                      kept busy
    scaling_2_workers                 checks a second with two workers / with one, 8 clients
    disagreements, edits              of ``differential.py``, when ``--edits`` asks for some
"""

import argparse
import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dune_project
from dune_project import Change
from rich.console import Console
from rich.table import Table

from greenloop.ces.client import AsyncClient, Client
from greenloop.records import (
    Block,
    Edit,
    Evaluation,
    EvaluationRequest,
    ReplaceBlocks,
    Status,
    Suite,
)

_GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.org")
_MANY = 500
"""Modules from which a build from nothing takes minutes, and is made once instead of three times."""
_QUIET = "dune build --root . --display quiet"


@dataclass(frozen=True)
class Toolchain:
    """How the two sides reach their dune: the shell of plain dune's side, and the service's settings."""

    shell: tuple[str, ...]
    settings: str


class Plain:
    """dune in place, as a person has it: no sandbox, no overlay, a shell that waits for commands."""

    def __init__(self, shell: tuple[str, ...], folder: Path) -> None:
        self._folder = folder
        self._shell = subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder)

    def run(self, command: str) -> tuple[float, int]:
        """Run one command in the shell. Returns (milliseconds, exit status)."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        start = time.perf_counter()
        self._shell.stdin.write(f"{command} >/dev/null 2>&1 </dev/null; echo $?\n")
        self._shell.stdin.flush()
        status = int(self._shell.stdout.readline())
        return (time.perf_counter() - start) * 1000, status

    def with_change(self, change: Change, aliases: str, *, fails: bool) -> float:
        """Return what dune takes after the change, in milliseconds; the change is taken back, untimed."""
        path = self._folder / change.path
        before = path.read_text()
        path.write_text(_changed(before, change))
        taken, status = self.run(f"{_QUIET} {aliases}")
        path.write_text(before)
        _, settled = self.run(f"{_QUIET} {aliases}")
        if (status != 0) is not fails or settled != 0:
            raise SystemExit(f"plain dune ended with {status} and {settled} on {change}")
        return taken

    def close(self) -> None:
        """End the shell."""
        self._shell.communicate(timeout=60)


def _changed(text: str, change: Change) -> str:
    if text.count(change.search) != 1:
        raise SystemExit(f"{change.path} holds {change.search!r} {text.count(change.search)} times")
    return text.replace(change.search, change.replace)


def request(change: Change, suite: Suite, *, fresh: bool = False) -> EvaluationRequest:
    """Return the request that submits one change."""
    block = Block(search=change.search, replace=change.replace)
    edit = Edit(files=(ReplaceBlocks(path=change.path, blocks=(block,)),))
    # a body that is changed brings no new test, and an error is the point of the red ones
    return EvaluationRequest(revision="HEAD", edit=edit, suite=suite, fresh=fresh)


@contextmanager
def service(home: Path, repository: Path, *, workers: int) -> Iterator[Path]:
    """Run ``greenloop ces serve`` on a Unix socket, the head of ``repository`` warm. Yields the socket."""
    home.chmod(0o700)  # whoever reaches the socket needs no token, so the service demands a folder of one's own
    socket = home / "ces.sock"
    log = (home.parent / f"{home.name}.log").open("a+b")
    command = [sys.executable, "-m", "greenloop", "--home", str(home), "ces", "serve"]
    command += ["--repository", f"bench={repository}", "--socket", str(socket), "--workers", str(workers)]
    process = subprocess.Popen([*command, "--warm", "HEAD"], cwd=repository, stdout=log, stderr=log)
    try:
        with Client(socket) as client:
            client.wait_ready(seconds=60)
            wait_warm(client)
        yield socket
    finally:
        process.terminate()
        if process.wait(30) != 0:
            log.seek(0)
            print(log.read().decode()[-2000:], file=sys.stderr)
        log.close()


def wait_warm(client: Client) -> None:
    """Wait for the build of HEAD to be green."""
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        build = client.warm("HEAD")
        if build.state == "green":
            return
        if build.state in {"red", "failed"}:
            raise SystemExit(f"the build of HEAD is {build.state}: {build.note} {build.diagnostics[:1]}")
        time.sleep(0.2)
    raise SystemExit("the build of HEAD did not become green in 15 minutes")


def commit(folder: Path) -> None:
    """Make ``folder`` a repository with everything committed."""
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "generated")):
        subprocess.run([*_GIT, *words], cwd=folder, check=True)


def evaluate(client: Client, asked: EvaluationRequest, wanted: Status) -> tuple[float, Evaluation]:
    """Return (milliseconds from request to answer, the evaluation); the status must be the one that is wanted."""
    start = time.perf_counter()
    got = client.evaluate(asked)
    taken = (time.perf_counter() - start) * 1000
    if got.status is not wanted:
        raise SystemExit(f"the service says {got.status}, not {wanted}: {got.reason} {got.note} {got.diagnostics[:2]}")
    return taken, got


def side_by_side(plain: Plain, client: Client, modules: int, rounds: int, tests: int) -> dict[str, list[float]]:
    """Take turns; returns the milliseconds of every round by name."""
    taken: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        taken.setdefault(name, []).append(value)

    greens, reds = dune_project.bodies(modules), dune_project.type_errors(modules)
    # the first of each only wakes caches up, on both sides
    for number in range(rounds + 1):
        green, red = next(greens), next(reds)
        pairs = {
            "dune_red": plain.with_change(red, "@check", fails=True),
            "check_red": evaluate(client, request(red, Suite.CHECK), Status.RED)[0],
            "dune_check": plain.with_change(green, "@check", fails=False),
            "check_green": evaluate(client, request(green, Suite.CHECK), Status.GREEN)[0],
            "memo": evaluate(client, request(green, Suite.CHECK), Status.GREEN)[0],
        }
        for name, value in pairs.items() if number else ():
            note(name, value)
    for number in range(tests + 1):
        green = next(greens)
        plainly = plain.with_change(green, "@all @runtest", fails=False)
        served, _ = evaluate(client, request(green, Suite.TEST), Status.GREEN)
        if number:
            note("dune_tests", plainly)
            note("tests", served)
    return taken


async def _load(socket: Path, asked: list[EvaluationRequest], clients: int) -> tuple[float, list[float]]:
    """Let ``clients`` wait at a time until all is answered. Returns (seconds, each wait less the queue, in ms)."""
    todo = iter(asked)
    waits: list[float] = []
    async with AsyncClient(socket) as client:

        async def one() -> None:
            for each in todo:
                start = time.perf_counter()
                got = await client.evaluate(each)
                if got.status is not Status.GREEN:
                    raise SystemExit(f"under load: {got.status}: {got.reason} {got.note}")
                waits.append((time.perf_counter() - start) * 1000 - got.timings.queued_ms)

        start = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(clients)))
        return time.perf_counter() - start, waits


def throughput(home: Path, project: Path, modules: int, count: int) -> float:
    """Return checks a second with two workers / with one; the two take turns, twice."""
    changes = dune_project.bodies(modules, start=10_000)
    rates: dict[int, list[float]] = {1: [], 2: []}
    for workers in (1, 2, 1, 2):
        with service(home, project, workers=workers) as socket:
            warm = [request(next(changes), Suite.CHECK) for _ in range(2 * workers)]
            asyncio.run(_load(socket, warm, workers))
            asked = [request(next(changes), Suite.CHECK) for _ in range(count)]
            seconds, _ = asyncio.run(_load(socket, asked, 8))
            rates[workers].append(count / seconds)
    return statistics.median(rates[2]) / statistics.median(rates[1])


def overhead(home: Path, project: Path, modules: int, count: int) -> list[float]:
    """Return what the service itself adds to each of ``count`` evaluations, 16 clients waiting, in milliseconds."""
    settings = '[toolchain]\nkind = "command"\n[command]\ncheck = ["true"]\n[build]\nsuite = "check"\n'
    (project / "greenloop.toml").write_text(settings)
    changes = dune_project.bodies(modules, start=50_000)
    with service(home, project, workers=2) as socket:
        asyncio.run(_load(socket, [request(next(changes), Suite.CHECK) for _ in range(32)], 16))
        asked = [request(next(changes), Suite.CHECK) for _ in range(count)]
        return asyncio.run(_load(socket, asked, 16))[1]


def cold(shell: tuple[str, ...], project: Path, folder: Path, aliases: str, times: int) -> float:
    """Return what plain dune takes to build a fresh copy from nothing, in milliseconds: the median."""
    taken: list[float] = []
    for _ in range(times):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(project, folder, ignore=shutil.ignore_patterns("_build", ".git"))
        plain = Plain(_below(shell, folder), folder)
        milliseconds, status = plain.run(f"{_QUIET} {aliases}")
        plain.close()
        if status != 0:
            raise SystemExit(f"the generated project is not green: dune ended with {status}")
        taken.append(milliseconds)
    return statistics.median(taken)


def _below(shell: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    return tuple(str(folder) if word == "{folder}" else word for word in shell)


def toolchain(kind: str, home: Path) -> Toolchain:
    """Return the two sides' dune; the image is built in ``home`` when it is not there."""
    if kind == "debian":
        return Toolchain(("/bin/sh",), '[toolchain]\nkind = "dune"\n')
    subprocess.run([sys.executable, "-m", "greenloop", "--home", str(home), "ces", "image", "build"], check=True)
    root = home / "images" / "trixie" / "root"
    shell: list[str] = [
        "bwrap",
        "--unshare-all",
        "--die-with-parent",
        "--clearenv",
        "--setenv",
        "PATH",
        "/usr/bin:/bin",
    ]
    shell += ["--ro-bind", str(root / "usr"), "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib"]
    shell += ["--symlink", "usr/lib64", "/lib64", "--ro-bind", str(root / "etc"), "/etc", "--proc", "/proc"]
    shell += ["--dev", "/dev", "--tmpfs", "/tmp", "--bind", "{folder}", "/w", "--chdir", "/w", "/bin/sh"]
    return Toolchain(tuple(shell), '[toolchain]\nkind = "dune"\nimage = "trixie"\n')


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of the values do not exceed."""
    return sorted(values)[max(0, -(-len(values) * int(share * 100) // 100) - 1)]


def measure(arguments: argparse.Namespace, folder: Path, home: Path) -> dict[str, float]:
    """Run everything below ``folder``, the service in ``home``."""
    modules: int = arguments.modules
    home.mkdir(parents=True, exist_ok=True)
    sides = toolchain(arguments.toolchain, home)
    project, plain_folder = folder / "project", folder / "plain"
    dune_project.write_project(project, modules=modules)
    (project / "greenloop.toml").write_text(f'{sides.settings}[build]\nsuite = "test"\n')
    commit(project)
    times = 3 if modules < _MANY else 1
    cold_check_ms = cold(sides.shell, project, plain_folder, "@check", times)
    cold_ms = cold(sides.shell, project, plain_folder, "@all @runtest", times)
    plain = Plain(_below(sides.shell, plain_folder), plain_folder)
    plain.run(f"{_QUIET} @check @all @runtest")
    with service(home, project, workers=1) as socket, Client(socket) as client:
        taken = side_by_side(plain, client, modules, arguments.rounds, arguments.tests)
    plain.close()
    result = {name: statistics.median(values) for name, values in taken.items()}
    scaling = throughput(home, project, modules, arguments.load) if arguments.load else 0.0
    extra = overhead(home, project, modules, 10 * arguments.load) if arguments.load else [0.0]
    return {
        "check_red_ms": result["check_red"],
        "check_green_ms": result["check_green"],
        "dune_red_ms": result["dune_red"],
        "dune_check_ms": result["dune_check"],
        "check_ratio": max(result["check_green"] / result["dune_check"], result["check_red"] / result["dune_red"]),
        "tests_ms": result["tests"],
        "dune_tests_ms": result["dune_tests"],
        "tests_ratio": result["tests"] / result["dune_tests"],
        "cold_ms": cold_ms,
        "cold_speedup": cold_ms / result["tests"],
        "cold_check_ms": cold_check_ms,
        "cold_check_speedup": cold_check_ms / result["check_green"],
        "memo_ms": result["memo"],
        "overhead_p50_ms": percentile(extra, 0.50),
        "overhead_p99_ms": percentile(extra, 0.99),
        "scaling_2_workers": scaling,
    }


def differential(edits: int, kind: str, home: Path) -> dict[str, int]:
    """Run ``differential.py`` and return its counts."""
    script = Path(__file__).with_name("differential.py")
    command = [sys.executable, str(script), "--edits", str(edits), "--toolchain", kind, "--json"]
    command += ["--images", str(home / "images")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return {"disagreements": found["disagreements"], "edits": found["edits"]}


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--modules", type=int, default=120, help="modules of the project, a multiple of ten")
    parser.add_argument("--toolchain", choices=("debian", "image"), default="debian")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of red and green checks")
    parser.add_argument("--tests", type=int, default=9, help="rounds with tests")
    parser.add_argument("--load", type=int, default=40, help="evaluations of the throughput runs; 0 leaves load out")
    parser.add_argument("--edits", type=int, default=500, help="edits of the differential run; 0 leaves it out")
    parser.add_argument("--home", type=Path, help="a home whose toolchain image is used again")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    arguments = parser.parse_args()
    if arguments.modules < 20 or arguments.modules % 10:
        parser.error("--modules is a multiple of ten, 20 at least")
    with tempfile.TemporaryDirectory(prefix="greenloop-bench-") as folder:
        home = arguments.home or Path(folder) / "home"
        figures: dict[str, float] = measure(arguments, Path(folder), home)
        figures |= differential(arguments.edits, arguments.toolchain, home) if arguments.edits else {}
    table = Table(title=f"{arguments.modules} modules, {arguments.toolchain}", box=None)
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:.2f}")
    Console().print(table)
    if arguments.json:
        print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
