"""Engines with small limits on real sandboxes, and a host beside them with something to lose."""

import hashlib
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap, Limits
from greenloop.builds.toolchain import Toolchain
from greenloop.builds.toolchains.command import CommandConfig, CommandToolchain
from greenloop.builds.toolchains.dune import Dune, DuneConfig
from greenloop.builds.verdicts import VerdictStore
from greenloop.records import EvaluationLimits, Suite, TreeId, Verdict
from greenloop.workspace.store import Entry, Mode, TreeStore

CANARY = "canary-5f0c1e"
LIMITS = Limits(wall_seconds=60, memory_mib=512, output_kib=256, scratch_mib=48, processes=64)
LOOK = """
import hashlib, os

for folder in ("/w", "/tmp", "/dev/shm"):
    digest = hashlib.sha256()
    for at, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(at, name)
            digest.update(path.encode() + open(path, "rb").read() + str(os.stat(path).st_mode).encode())
    print("ok -", folder, digest.hexdigest())
print("ok - environment", hashlib.sha256(repr(sorted(os.environ.items())).encode()).hexdigest())
print("ok - processes", sum(name.isdigit() for name in os.listdir("/proc")))
"""
COMMAND_BASE = {"check": "exit 0", "build": "exit 0", "run": "exec /usr/bin/python3 look.py", "look.py": LOOK}
"""A project whose tests tell what they find around them."""
DUNE_BASE = {
    "dune-project": "(lang dune 2.9)\n",
    "lib/dune": "(library (name small) (libraries unix))\n",
    "lib/small_one.ml": "let one = 1\n",
    "lib/more.ml": "let more = 1\n",
    "test/dune": "(test (name t) (libraries small))\n",
    "test/t.ml": "let () = assert (Small.Small_one.one + Small.More.more = 2)\n",
}


@dataclass
class Host:
    """The machine as an attacker would like to reach it."""

    secret: Path
    known: dict[str, object]
    """What attempts are told of it."""
    victim: subprocess.Popen[bytes]
    visits: list[str] = field(default_factory=list)
    """Connections and messages that reached it."""


@contextmanager
def listening(stack: ExitStack, visits: list[str], folder: Path) -> Iterator[dict[str, object]]:
    """Listen wherever an attempt might knock; every visit is noted."""
    sockets: dict[str, socket.socket] = {
        "tcp4": socket.create_server(("127.0.0.1", 0)),
        "tcp6": socket.create_server(("::1", 0), family=socket.AF_INET6),
        "udp": socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "abstract": socket.socket(socket.AF_UNIX),
        "unix": socket.socket(socket.AF_UNIX),
    }
    sockets["udp"].bind(("127.0.0.1", 0))
    name = f"greenloop-hostile-{os.getpid()}"
    sockets["abstract"].bind(f"\0{name}")
    sockets["unix"].bind(str(folder / "s"))
    (folder / "s").chmod(0o777)
    ended = threading.Event()

    def serve(kind: str, server: socket.socket) -> None:
        server.settimeout(0.2)
        while not ended.is_set():
            try:
                server.recvfrom(100) if kind == "udp" else server.accept()[0].close()
            except TimeoutError:
                continue
            visits.append(kind)

    for kind, server in sockets.items():
        stack.enter_context(server)
        if kind in {"abstract", "unix"}:
            server.listen()
        thread = threading.Thread(target=serve, args=(kind, server))
        thread.start()
        stack.callback(thread.join)
    stack.callback(ended.set)
    yield {
        **{kind: sockets[kind].getsockname()[1] for kind in ("tcp4", "tcp6", "udp")},
        "abstract": name,
        "unix": str(folder / "s"),
    }


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("host", numbered=True)
    for parent in (folder, *folder.parents):
        if parent.owner() == folder.owner() and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o055)
    secret = folder / "secret"
    secret.write_text(CANARY)
    secret.chmod(0o666)
    visits: list[str] = []
    with ExitStack() as stack:
        known = stack.enter_context(listening(stack, visits, folder))
        victim = stack.enter_context(subprocess.Popen(["sleep", "9876"], env={"SECRET": CANARY}, cwd=folder))
        stack.callback(victim.kill)
        known |= {"secret": str(secret), "folder": str(folder), "pid": victim.pid, "canary": CANARY}
        yield Host(secret, known, victim, visits)


class Arena:
    """One toolchain above one base tree, and what an evaluation of that base says when all is well."""

    def __init__(self, root: Path, toolchain: Toolchain, base: Mapping[str, str]) -> None:
        self.root = root
        self.store = TreeStore(root / "store")
        self._engine = Engine(
            store=self.store,
            verdicts=VerdictStore(root / "verdicts.sqlite"),
            toolchain=toolchain,
            sandbox=Bubblewrap(limits=LIMITS, scratch=_made(root / "runs")),
            scratch=root / "scratch",
        )
        self.base = self.lay({}, base)
        self.well = self.probe()
        self.built = self.digest()

    def lay(self, files: Mapping[str, str | bytes | None], base: Mapping[str, str] | None = None) -> TreeId:
        """Return the base tree with these files."""
        entries: dict[str, Entry | None] = {}
        for path, content in {**(base or {}), **files}.items():
            raw = content.encode() if isinstance(content, str) else content
            entries[path] = None if raw is None else Entry(Mode.FILE, self.store.write_blob(raw))
        return self.store.update(self.store.empty if base is not None else self.base, entries)

    def judge(self, tree: TreeId, suite: Suite, seconds: float) -> Verdict:
        """Judge a tree above the base, each stage within its seconds; nothing is remembered."""
        engine = self._engine.limited(EvaluationLimits(seconds=seconds))
        return engine.aside(tree, suite, base=self.base).verdict

    def probe(self) -> str:
        """Return the bytes of an evaluation of the base, but for its times."""
        return told(self._engine.aside(self.base, Suite.TEST, base=self.base).verdict)

    def digest(self) -> str:
        """Return a digest of the warm build: of all that later evaluations stand on."""
        digest = hashlib.sha256()
        for path in sorted((self.root / "scratch" / "warm").rglob("*")):
            if path.suffix != ".lock" and path.is_file() and not path.is_symlink():
                digest.update(f"{path} {path.stat().st_mode} {path.stat().st_mtime_ns}".encode() + path.read_bytes())
        return digest.hexdigest()

    def leftovers(self) -> list[str]:
        """Return what runs left on disk."""
        return [path.name for path in (self.root / "runs").iterdir()]


def told(verdict: Verdict) -> str:
    """Return a verdict's bytes without its times."""
    body = json.loads(verdict.to_json())
    for stage in body["stages"]:
        stage["seconds"] = 0
    return json.dumps(body)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="session")
def command_arena(tmp_path_factory: pytest.TempPathFactory) -> Arena:
    config = CommandConfig(
        check=("sh", "./check"),
        build=("sh", "./build"),
        test=("sh", "./run"),
        products=(),
        test_pattern=r"^(?P<status>ok|not ok) - (?P<name>.+)$",
    )
    return Arena(tmp_path_factory.mktemp("commands"), CommandToolchain(config), COMMAND_BASE)


@pytest.fixture(scope="session")
def dune_arena(tmp_path_factory: pytest.TempPathFactory) -> Arena:
    return Arena(tmp_path_factory.mktemp("dune"), Dune(DuneConfig()), DUNE_BASE)
