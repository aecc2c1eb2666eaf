"""The sidecar's parts as settings put them together: what leaves the process, and what is let go of at its end."""

import socket
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.session import WorkspaceOpen
from greenloop.aid.protocol.turns import TurnEnded, TurnStart
from greenloop.aid.scripted import ScriptedPeer
from greenloop.aid.service import Call, Combined
from greenloop.builds.stop import Stop
from greenloop.cli.aid_parts import parts
from greenloop.cli.app import App
from greenloop.cli.home import Home

GENEROUS = 120.0


class _Collector(HTTPServer):
    """Takes what is exported."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)


def test_what_is_configured_is_exported_and_ends_with_the_sidecar(home: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    collector = _Collector()
    thread = Thread(target=collector.serve_forever)
    thread.start()
    (tmp_path / "script.jsonl").write_text('{"replies": ["I would rather not."]}\n')
    (home / "greenloop.toml").write_text(
        f'[metrics]\nprometheus = "127.0.0.1:{port}"\notlp = "http://127.0.0.1:{collector.server_port}/v1/traces"\n'
        f'[model]\nname = "scripted:{tmp_path / "script.jsonl"}"\ncandidates = 1\n[turn]\nrepair_rounds = 0\n'
    )
    project = tmp_path / "shop"
    project.mkdir()
    (project / "a.ml").write_text("let one = 1\n")
    service = Combined(parts(App(Home(home), None)))
    try:
        peer = ScriptedPeer()
        with Stop() as stop:
            call, methods = Call(peer, stop), service.handlers().methods
            opened = methods[catalogue.WORKSPACE_OPEN.name](call, WorkspaceOpen(path=str(project)))
            start = TurnStart(workspace=opened.workspace, kind="ask", prompt="make one two")
            methods[catalogue.TURN_START.name](call, start)
            deadline = time.monotonic() + GENEROUS
            while not any(isinstance(news, TurnEnded) for _, news in peer.told) or service.busy():
                assert time.monotonic() < deadline
                time.sleep(0.02)
        page = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        assert 'greenloop_aid_turns_total{fault="",outcome="done"} 1.0' in page
    finally:
        service.close()
        collector.shutdown()
        thread.join()
        collector.server_close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
    assert b"invoke_agent greenloop-ask" in b"".join(collector.bodies)
    assert b"make one two" not in b"".join(collector.bodies)
