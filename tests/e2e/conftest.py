"""A small dune project under git, ``greenloop ces serve`` over it, and ``greenloop record`` over a plain folder."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from tests.e2e.recorders import SETTINGS, Command

from greenloop.ces.client import Client
from greenloop.snapshots.enrolment import Enrolments

FILES = {
    "dune-project": "(lang dune 2.9)\n",
    "lib/dune": "(library (name calc))\n",
    "lib/calc.ml": "let add x y = x + y\nlet twice x = 2 * x\n",
    "test/dune": "(test (name t) (libraries calc alcotest))\n",
    "test/t.ml": (
        'let adds () = Alcotest.(check int) "sum" 3 (Calc.add 1 2)\n'
        'let () = Alcotest.run "calc" [ ("add", [ Alcotest.test_case "adds" `Quick adds ]) ]\n'
    ),
}


@dataclass
class Project:
    """The project, and diffs to it."""

    root: Path

    def diff(self, line: str = "let twice x = x + x", other: str = "let add x y = x + y") -> str:
        """Return the diff that makes these two lines of ``lib/calc.ml``."""
        lines = ["-let add x y = x + y", "-let twice x = 2 * x", f"+{other}", f"+{line}"]
        return "--- a/lib/calc.ml\n+++ b/lib/calc.ml\n@@ -1,2 +1,2 @@\n" + "".join(line + "\n" for line in lines)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "calc"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "one")):
        subprocess.run(["git", *words], cwd=root, check=True)
    return Project(root)


@dataclass
class Server:
    """A running ``greenloop ces serve``."""

    process: subprocess.Popen[bytes]
    home: Path
    folder: Path
    client: Client

    @property
    def log(self) -> str:
        return (self.folder / "err").read_text()

    @property
    def said(self) -> str:
        return (self.folder / "out").read_text()

    def metrics(self) -> str:
        """Return what it tells Prometheus."""
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=self.client.address.removeprefix("unix:")), base_url="http://ces"
        ) as plain:
            return plain.get("/metrics").text

    def family_gone(self) -> bool:
        """Whether nothing that serves, or judges for, this home is left."""
        mark = str(self.home)
        left = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if any(mark in word for word in words) and process.pid != os.getpid():
                left.append(words)
        return not left

    def kill(self) -> None:
        """End it as a crash of the machine would: no word, no tidying."""
        self.process.kill()
        self.process.wait(20)

    def end(self) -> float:
        """Ask it to end; returns the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0, self.log
        return time.monotonic() - began

    def family(self) -> list[psutil.Process]:
        """Return the processes that descend from it."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found


Serve = Callable[..., Server]


@pytest.fixture
def ces(tmp_path: Path, project: Project) -> Iterator[Serve]:
    """Return a function that starts the service over the project and waits until it is ready."""
    with ExitStack() as stack:

        def start(
            *options: str,
            ready: bool = True,
            environment: dict[str, str] | None = None,
            token: str = "",
            within: tuple[str, ...] = (),
        ) -> Server:
            home = tmp_path / "home"
            folder = tmp_path / f"served-{time.monotonic_ns()}"
            folder.mkdir()
            command = [*within, sys.executable, "-m", "greenloop", "--home", str(home), "ces", "serve", *options]
            with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
                process = subprocess.Popen(
                    command, cwd=project.root, stdout=out, stderr=err, env={**os.environ, **(environment or {})}
                )
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            address = str(home / "ces" / "ces.sock")
            while ready and "ready at " not in (folder / "out").read_text():
                assert process.poll() is None, (folder / "err").read_text()
                time.sleep(0.05)
            if ready:
                address = (folder / "out").read_text().split("ready at ")[1].split("\n")[0]
            client = Client(address, token=token)
            stack.callback(client.close)
            return Server(process, home, folder, client)

        yield start


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Return a plain folder that Ann may have recorded."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "greenloop.toml").write_text(SETTINGS)
    (folder / "a.ml").write_text("let a = 1\n")
    return folder


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Command]:
    command = Command(tmp_path / "home")
    yield command
    # whatever a test left running ends here, by its process id
    for desk in Enrolments(tmp_path / "home/recorder").desks():
        if pid := desk.running():
            os.kill(pid, signal.SIGKILL)
