"""``greenloop ces serve --ray local`` on a real project: dune judges in an actor, whose death nobody notices."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from greenloop.ces.client import Client
from greenloop.records import Block, Edit, EvaluationRequest, ReplaceBlocks, Status, Suite

pytestmark = pytest.mark.slow

FILES = {
    "dune-project": "(lang dune 2.9)\n",
    "lib/dune": "(library (name shop))\n",
    "lib/shop.ml": "let total price count = price * count\n",
    "lib/shop.mli": "val total : int -> int -> int\n",
    "test/dune": "(test (name check) (libraries shop))\n",
    "test/check.ml": 'let () = if Shop.total 2 3 <> 6 then (prerr_endline "total is wrong"; exit 1)\n',
}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Client, Path, "subprocess.Popen[bytes]"]]:
    """The service of a home far too deep for Ray's sockets, on a repository of one commit."""
    home, project = tmp_path / "home" / ("deep" * 12), tmp_path / "project"
    for path, text in FILES.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text, encoding="utf-8")
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", *words], cwd=project, check=True, capture_output=True)
    socket = tmp_path / "s"
    log = (tmp_path / "log").open("wb")
    words = [
        "--home",
        str(home),
        "ces",
        "serve",
        "--ray",
        "local",
        "--repository",
        f"shop={project}",
        "--socket",
        str(socket),
    ]
    # the folder of the head's processes is told by the home: their environment is made by the command itself
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "greenloop", *words, "--warm", "shop@main"], stdout=log, stderr=log, env=clean
    )
    try:
        with Client(socket) as client:
            while not socket.exists() and process.poll() is None:
                time.sleep(0.1)
            assert process.poll() is None, (tmp_path / "log").read_text()
            client.wait_ready(120)
            yield client, home, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log.close()


def ask(new: str) -> EvaluationRequest:
    block = Block(search="let total price count = price * count\n", replace=f"let total price count = {new}\n")
    edit = Edit(files=(ReplaceBlocks(path="lib/shop.ml", blocks=(block,)),))
    return EvaluationRequest(revision="shop@main", edit=edit, suite=Suite.TEST)


def listeners(processes: list[psutil.Process]) -> set[str]:
    """Return the addresses on which processes listen; those that ended meanwhile listen no more."""
    found: set[str] = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found |= {one.laddr.ip for one in process.net_connections("inet") if one.status == "LISTEN"}
    return found


def named(process: psutil.Process) -> str:
    """Return a process's command line, empty when it ended."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def test_a_cluster_serves_as_one_machine_does(
    served: tuple[Client, Path, "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    client, home, process = served
    children = psutil.Process(process.pid).children(recursive=True)
    listening = listeners(children)
    assert listening
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}

    green, red = client.evaluate(ask("count * price")), client.evaluate(ask("price + count"))
    assert green.status is Status.GREEN, green
    assert red.status is Status.RED
    assert client.evaluate(ask("{|no number|}")).diagnostics[0].path == "lib/shop.ml"
    (build,) = client.builds()
    assert (build.revision, build.state) == ("shop@main", "green")
    assert build.note.endswith("on local")
    assert client.log(red.id)

    (actor,) = [child for child in children if named(child).startswith("ray::Actor")]
    actor.kill()
    assert client.evaluate(ask("count * price + 0")).status is Status.GREEN
    assert client.evaluate(ask("count * price")).seen_before
    assert client.builds()[0].state == "green"

    process.send_signal(signal.SIGTERM)
    process.wait(60)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert not list((home / "ray").glob("session_*"))
    card = home / "ces" / "server.json"
    assert not card.exists() or not json.loads(card.read_text())
