"""The service as a judge of trees, against one that really serves: the same verdicts, and named errors."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.training.verdicts import DATASET, real_bench, real_service

from greenloop.ces.client import Client
from greenloop.ces.remote_judge import RemoteJudge
from greenloop.ces.scripted import ScriptedBackend
from greenloop.datasets.load import load
from greenloop.records import (
    EnvironmentFault,
    Evaluation,
    EvaluationRequest,
    InfrastructureError,
    Status,
    Suite,
    TreeId,
)
from greenloop.workspace.packs import read_pack
from greenloop.workspace.store import TreeStore

# httpcore forgets to close a Unix socket that it could not connect
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
Serve = Callable[..., Any]


def test_a_service_finds_what_this_machine_finds(tmp_path: Path) -> None:
    trees = [tree for one in load(DATASET).train[:2] for tree in (one.base, one.target)]
    with real_bench(tmp_path / "own") as bench, real_service(tmp_path / "service") as service:
        own = bench.judge.judge_many(trees, Suite.CHECK)
        with Client(service.address) as client:
            remote = RemoteJudge(client, bench.store, revision="green@HEAD")
            told: list[tuple[int, int]] = []
            found = remote.judge_many(trees, Suite.CHECK, lambda done, of: told.append((done, of)))
            assert told[-1] == (4, 4)
            assert [found[tree].status for tree in trees] == [Status.RED, Status.GREEN] * 2
            for tree in trees:
                assert (found[tree].diagnostics, found[tree].suite) == (own[tree].diagnostics, own[tree].suite)
                assert {one.stage for one in found[tree].stages} == {one.stage for one in own[tree].stages}
            assert remote.fingerprint == found[trees[0]].toolchain
            assert remote.confirm(trees[:2], Suite.CHECK, 2) == frozenset()
            service.end()
            # what is known needs nobody; what is not is no red
            assert remote.judge(trees[0], Suite.CHECK) == found[trees[0]]
        with Client(service.address, tries=1) as client, pytest.raises(EnvironmentFault, match="no evaluation service"):
            RemoteJudge(client, bench.store).judge(trees[0], Suite.CHECK)


def serving(serve: Serve, store: TreeStore, answer: Callable[[EvaluationRequest], Evaluation], place: Path) -> Client:
    def take(path: Path) -> tuple[TreeId, ...]:
        copy = TreeStore(place / "theirs")
        taken = read_pack(copy, path, max_mib=1).trees
        copy.close()
        return taken

    return Client(str(serve(ScriptedBackend(answer), import_pack=take)), tries=1)


def test_a_service_that_answers_for_another_tree_is_found_out(
    serve: Serve, store: TreeStore, write: Callable[..., TreeId], tmp_path: Path
) -> None:
    tree = write({"a.ml": "let a = 1\n"})
    green = Evaluation(id="1", status=Status.GREEN, result="b" * 40, suite=Suite.CHECK)
    judged = serving(serve, store, lambda _request: green, tmp_path)
    with judged as client, pytest.raises(EnvironmentFault, match=f"asked for {tree}"):
        RemoteJudge(client, store).judge(tree, Suite.CHECK)


def test_a_green_without_a_stage_is_no_green(
    serve: Serve, store: TreeStore, write: Callable[..., TreeId], tmp_path: Path
) -> None:
    tree = write({"a.ml": "let a = 1\n"})
    bare = Evaluation(id="1", status=Status.GREEN, result=tree, suite=Suite.CHECK)
    judged = serving(serve, store, lambda _request: bare, tmp_path)
    with judged as client, pytest.raises(EnvironmentFault, match="is it Greenloop's"):
        RemoteJudge(client, store).judge(tree, Suite.CHECK)


def test_a_fault_of_the_services_machine_is_no_red(
    serve: Serve, store: TreeStore, write: Callable[..., TreeId], tmp_path: Path
) -> None:
    tree = write({"a.ml": "let a = 1\n"})
    lost = Evaluation(id="1", status=Status.INFRA_ERROR, note="the worker was lost", suite=Suite.CHECK)
    judged = serving(serve, store, lambda _request: lost, tmp_path)
    with judged as client, pytest.raises(InfrastructureError, match="worker was lost"):
        RemoteJudge(client, store).judge(tree, Suite.CHECK)


@pytest.mark.parametrize("body", [b"<html>It works!</html>", b"{}", b'{"trees": 5}'])
def test_what_is_no_service_is_named(store: TreeStore, write: Callable[..., TreeId], body: bytes) -> None:
    class Nonsense(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = HTTPServer(("127.0.0.1", 0), Nonsense)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        client = Client(f"http://127.0.0.1:{server.server_port}", tries=1)
        with client, pytest.raises(EnvironmentFault):
            RemoteJudge(client, store).judge(write({"a.ml": "let a = 1\n"}), Suite.CHECK)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
