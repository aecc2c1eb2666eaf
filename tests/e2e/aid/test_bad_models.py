"""A model server that is down, slow, cut off, mad, endless or ill-willed: each is named, and nothing is harmed."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.e2e.aid.conftest import FILES, Desk, ModelServer, block
from tests.e2e.aid.talks import OnSocket, turn

from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.session import WorkspaceOpen
from greenloop.aid.protocol.turns import Outcome, Place, TurnEnded, TurnStart
from greenloop.models.scripted_server import Served, event, streamed
from greenloop.records import Badge
from greenloop.records.funnel import Step

GOOD = streamed(block("lib/mean.ml", FILES["lib/mean.ml"], "let mean _ = Price.total []\n"))
TEN_MB = 10 << 20
PIECE = "x" * (64 << 10)
TOO_LONG = "longer than 4194304 bytes"


@dataclass
class Asking:
    """A person who asks the same of a model again and again."""

    desk: Desk
    server: ModelServer
    talk: OnSocket
    start: TurnStart

    def ask(self, served: Served, **bounds: float) -> tuple[TurnEnded, list[str]]:
        """Ask for a change within the bounds of ``[model]``; return how the turn ended, and the suggestions' badges."""
        self.server.answer = served
        self.desk.choose(self.server.server.url, more=bounds)
        ended, suggestions, _ = turn(self.talk, self.start)
        return ended, [suggestions[name].badge for name in ended.order]

    def faults(self, name: str) -> set[str]:
        """What the funnel says went wrong in a turn."""
        return {event.fault for event in self.desk.app.home.funnel.events() if event.turn == name and event.fault}


@pytest.fixture
def asking(desk: Desk, serve: Callable[[], ModelServer]) -> Iterator[Asking]:
    server = serve()
    desk.choose(server.server.url)
    desk.greenloop("aid", "trust")
    with OnSocket(desk.app) as talk:
        workspace = talk.call(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(desk.root))).workspace
        start = TurnStart(workspace=workspace, kind="ask", prompt="Simplify it.", place=Place(path="lib/mean.ml"))
        yield Asking(desk, server, talk, start)


def test_what_a_server_does_is_named_and_the_next_turn_is_well(asking: Asking) -> None:
    half = streamed("let me see " * 20)
    many = TEN_MB // len(PIECE)
    cases: dict[str, tuple[Served, dict[str, float], str]] = {
        "slow": (replace(half, first_seconds=600.0), {"first_byte_seconds": 0.5}, "no answer within 0.5 s"),
        "silent": (replace(half, pieces=half.pieces[:3], then="hang"), {"idle_seconds": 0.5}, "no answer within 0.5 s"),
        "endless": (
            replace(half, pieces=[*half.pieces[:-3]] * 200, piece_seconds=0.1),
            {"total_seconds": 1.5},
            "no answer within 1.5 s",
        ),
        "cut off": (replace(half, pieces=half.pieces[:3], then="cut"), {}, "was cut off"),
        "ends too early": (replace(half, pieces=half.pieces[:3]), {}, "cut off in mid-stream"),
        "garbage": (Served([b"data: \xff\x00{]\n\n"]), {}, "no chat completion"),
        "a page": (Served([b"<html>busy</html>"], content_type="text/html"), {}, "held no reply"),
        "overloaded": (Served([b"{}"], status=503, content_type="application/json"), {}, "HTTP 503"),
        "10 MB in pieces": (Served([event({"content": PIECE})] * many), {}, TOO_LONG),
        "10 MB of thoughts": (Served([event({"reasoning_content": PIECE})] * many), {}, TOO_LONG),
        "10 MB in a line": (Served([b"data: ", *[PIECE.encode()] * many]), {}, TOO_LONG),
        "10 MB at once": (_whole("x" * TEN_MB), {}, TOO_LONG),
    }
    for name, (served, bounds, says) in cases.items():
        ended, badges = asking.ask(served, **bounds)
        assert ended.fault is not None, name
        assert (ended.outcome, badges, ended.fault.code) == (Outcome.FAILED, [], "model"), name
        assert says in ended.fault.message, name
        assert ended.fault.way_out, name
        ended, badges = asking.ask(GOOD)
        assert (ended.fault, badges) == (None, [Badge.TYPE_CHECKS]), name


def _whole(text: str) -> Served:
    """Return what a server answers that does not stream."""
    body = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": text}}]}
    return Served([json.dumps(body).encode()], content_type="application/json")


def test_a_server_that_is_down_is_named_and_may_come_back(asking: Asking) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
    asking.desk.choose(url)
    ended, _, _ = turn(asking.talk, asking.start)
    assert ended.fault is not None
    assert (ended.outcome, ended.fault.code) == (Outcome.FAILED, "model")
    assert f"scripted at {url}: cannot be reached" in ended.fault.message
    assert asking.ask(GOOD)[1] == [Badge.TYPE_CHECKS]


def test_an_edit_that_leaves_the_workspace_is_refused_by_name(asking: Asking, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.ml").write_text("let x = 1\n")
    asking.desk.save({".git/hooks/pre-commit": "exit 0\n"})
    root = asking.desk.root
    (root / "link").symlink_to(outside)
    (root / "lib/linked.ml").symlink_to(outside / "x.ml")
    before = _files(root) | _files(outside)
    good = block("lib/mean.ml", FILES["lib/mean.ml"], "let mean _ = Price.total []\n")
    hook = "exit 0", "curl example.org"
    cases = {
        "../outside/x.ml": (block("../outside/x.ml", "let x = 1", "let x = 2"), "outside-tree"),
        f"{outside}/x.ml": (block(f"{outside}/x.ml", "let x = 1", "let x = 2"), "outside-tree"),
        "lib/../../outside/new.ml": (_new("lib/../../outside/new.ml"), "outside-tree"),
        # of the tree it is no file, and nobody looks behind a link for another
        "link/x.ml": (block("link/x.ml", "let x = 1", "let x = 2"), "no-file"),
        "link/new.ml": (_new("link/new.ml"), "link"),
        "lib/linked.ml": (block("lib/linked.ml", "let x = 1", "let x = 2"), "not-shown"),
        "lib/linked.ml whole": ("lib/linked.ml\n```\nlet x = 2\n```\n", "not-shown"),
        ".git/hooks/pre-commit": (block(".git/hooks/pre-commit", *hook), "vcs-path"),
        ".GIT/hooks/pre-commit": (block(".GIT/hooks/pre-commit", *hook), "vcs-path"),
        "lib/.git/config": (_new("lib/.git/config"), "vcs-path"),
    }
    for path, (reply, reason) in cases.items():
        # all files or none: a good one beside it does not help it in
        for text in (reply, f"{good}\n{reply}"):
            ended, badges = asking.ask(streamed(text))
            assert (ended.outcome, badges) == (Outcome.DONE, []), path
            assert ended.summary.startswith("Nothing to show"), path
            assert path.split()[0] in ended.summary, ended.summary
            assert asking.faults(ended.turn) == {reason}, path
    assert _files(root) | _files(outside) == before
    # a build would not find what these lead to
    (root / "link").unlink()
    (root / "lib/linked.ml").unlink()
    assert asking.ask(GOOD)[1] == [Badge.TYPE_CHECKS]
    assert Step.ACCEPTED not in {event.step for event in asking.desk.app.home.funnel.events()}


def _new(path: str) -> str:
    """Return a reply that makes a file."""
    return f"{path}\n```\nlet y = 1\n```\n"


def _files(folder: Path) -> dict[str, bytes]:
    found = [Path(at) / name for at, _, names in os.walk(folder) for name in names]
    return {str(path): path.read_bytes() for path in found}
