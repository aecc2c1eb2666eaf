"""A Ray cluster of this machine alone, for the time of a ``with``.

Ray's own head process in the foreground, as a child: it listens on the loopback address only, asks for a token that
nobody else can read, has no dashboard, sends no statistics, and ends with this process, however that ends.

Ray reads some of its settings when it is imported and takes them from the environment alone. So whoever starts a
cluster puts ``environment(folder)`` into the environment first, and only then imports what imports Ray.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from greenloop.records import InfrastructureError
from greenloop.storage import named_io_errors, write_atomically

LOOPBACK = "127.0.0.1"
_LONGEST = 107
"""Bytes of a Unix socket's path on Linux."""
_SESSION = "/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1"
"""What Ray adds to its folder for the longest of its sockets."""
_START_SECONDS = 120.0
_END_SECONDS = 20.0


def environment(folder: Path) -> Mapping[str, str]:
    """Return what the environment must hold before Ray is imported, here and in every process of the cluster.

    ``folder``: that of the cluster; its token is made there when there is none.
    """
    token = folder / "token"
    with named_io_errors(token):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not token.exists():
            # made readable to its owner alone before anything is in it
            write_atomically(token, b"")
            token.chmod(0o600)
            token.write_text(secrets.token_hex(32), encoding="ascii")
    return {
        # Ray takes 127.0.0.1 for a mistake and listens everywhere instead, but where it believes that a cluster of
        # several machines is impossible; this is how it is told so
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


class LocalCluster:
    """A head on this machine. ``address`` is where ``RayBackend`` joins it. Enter it in the main thread."""

    def __init__(self, folder: Path, *, cpus: int, name: str = "local", object_store_mib: int = 128) -> None:
        """``folder`` becomes Ray's, for its sockets and logs. ``cpus``: what actors may take."""
        self._folder, self._cpus, self._name, self._store = folder, cpus, name, object_store_mib << 20
        self._process: subprocess.Popen[bytes] | None = None
        self._link: Path | None = None
        self.address = ""

    def __enter__(self) -> Self:
        """Start it, and wait until it answers. Raises ``InfrastructureError``."""
        settings = environment(self._folder)
        port = _free_port()
        folder = self._short()
        self.address = f"{LOOPBACK}:{port}"
        command = [
            # the kernel ends Ray's head when this process dies, and the head its children
            "setpriv", "--pdeathsig", "TERM", "--",
            sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block",
            f"--node-ip-address={LOOPBACK}", f"--port={port}", f"--temp-dir={folder}",
            f"--node-name={self._name}", f"--num-cpus={self._cpus}", f"--object-store-memory={self._store}",
            "--include-dashboard=false", "--disable-usage-stats",
        ]  # fmt: skip
        with named_io_errors(self._folder), (self._folder / "head.log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **settings},
                start_new_session=True,
            )
        try:
            self._wait(port)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all its processes and remove what Ray left in the folder."""
        self._end()

    def _short(self) -> Path:
        """Return a path of the folder that leaves room for Ray's sockets below it: a link to it if need be."""
        if len(os.fsencode(str(self._folder))) + len(_SESSION) <= _LONGEST:
            return self._folder
        self._link = Path(tempfile.mkdtemp(prefix="glr-")) / "r"
        self._link.symlink_to(self._folder.absolute(), target_is_directory=True)
        return self._link

    def _wait(self, port: int) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        said = self._folder / "head.log"
        while b"Ray runtime started" not in said.read_bytes():
            if self._process.poll() is not None or time.monotonic() > deadline:
                last = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
                raise InfrastructureError(
                    f"Ray's head did not start on port {port}: {' '.join(last)}", f"see {said} and the logs beside it"
                )
            time.sleep(0.1)

    def _end(self) -> None:
        if self._process is None:
            return
        # the head leads a session of its own: with it go all processes of the cluster
        group = self._process.pid
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with suppress(ProcessLookupError):  # as it should be: they have ended in order
            os.killpg(group, signal.SIGKILL)
        self._process = None
        if self._link is not None:
            self._link.unlink()
            self._link.parent.rmdir()
            self._link = None
        for session in self._folder.glob("session_*"):
            if session.is_symlink():
                session.unlink()
            else:
                shutil.rmtree(session, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
