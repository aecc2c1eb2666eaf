"""A real Ray cluster of two nodes on this machine, its sockets on the loopback address, ended by process id."""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from greenloop.ces.cluster.local import LocalCluster, environment

# Ray's sockets lie below this folder, so its path is short; Ray reads the rest when the tests import it
FOLDER = Path(tempfile.mkdtemp(prefix="glr-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
os.environ.update(environment(FOLDER))
# a node that is gone is missed after five of these
os.environ["RAY_health_check_period_ms"] = "1000"  # noqa: SIM112 - Ray spells it so

SECOND = """
import json, sys
from ray._private.node import Node
from ray._private.parameter import RayParams

# `ray start` joins no head that listens on the loopback address alone: what it calls does
node = Node(
    RayParams(gcs_address=sys.argv[1], node_name=sys.argv[2], temp_dir=sys.argv[3], node_ip_address="127.0.0.1",
              num_cpus=2, object_store_memory=80_000_000, include_log_monitor=False),
    head=False, shutdown_at_exit=True, spawn_reaper=False,
)
print(json.dumps([info.process.pid for infos in node.all_processes.values() for info in infos]), flush=True)
sys.stdin.read()
node.kill_all_processes(check_alive=False, allow_graceful=False)
"""


@dataclass
class Node:
    """A node beside the head: the process that keeps it, and Ray's own."""

    process: "subprocess.Popen[str]"
    pids: tuple[int, ...]

    def kill(self, *actors: int) -> None:
        """Kill the whole node as a power cut would: its actors, Ray's processes, and who keeps them."""
        for pid in (*actors, *self.pids):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.kill()
        self.process.communicate()

    def stop(self) -> None:
        """End the node in order."""
        if self.process.poll() is None:
            self.process.communicate("", timeout=30)


@dataclass
class Cluster:
    """The two nodes: ``alpha``, the head, and ``beta``, which can be killed and started again."""

    address: str
    beta: Node | None = None

    def start_beta(self) -> Node:
        """Start the second node unless it runs."""
        if self.beta is None or self.beta.process.poll() is not None:
            process = subprocess.Popen(
                [sys.executable, "-c", SECOND, self.address, "beta", str(FOLDER)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            assert process.stdout is not None
            self.beta = Node(process, tuple(json.loads(process.stdout.readline())))
        return self.beta


@contextmanager
def two_nodes() -> Iterator[Cluster]:
    with LocalCluster(FOLDER, cpus=2, name="alpha", object_store_mib=80) as head:
        cluster = Cluster(head.address)
        try:
            cluster.start_beta()
            yield cluster
        finally:
            if cluster.beta is not None:
                cluster.beta.stop()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with two_nodes() as nodes:
        yield nodes
