"""The whole way of a turn: a real sidecar, its socket, a real dune project, a scripted model in ``greenloop.toml``."""

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sidecars import ended

from greenloop.aid.client.client import Client
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Empty, Message
from greenloop.aid.protocol.session import BuildState, Status, WorkspaceOpen, WorkspaceTrust
from greenloop.aid.protocol.turns import (
    Buffer,
    Outcome,
    SuggestionAccept,
    SuggestionApplied,
    TurnCandidate,
    TurnEnded,
    TurnStart,
)
from greenloop.cli.aid_place import reached
from greenloop.cli.app import App
from greenloop.cli.home import Home
from greenloop.feedback.log import FeedbackLog
from greenloop.records import Badge, FeedbackKind
from greenloop.records.funnel import Step

GENEROUS = 120.0
SOURCE = "let one = 1\n\nlet total = List.fold_left ( + ) 0 [ one; 2 ]\n"
BROKEN = SOURCE.replace("0 [", '"0" [')
REPLY = f"shop.ml\n<<<<\n{BROKEN.splitlines()[2]}\n====\n{SOURCE.splitlines()[2]}\n>>>>\n"


@pytest.fixture
def app() -> Iterator[App]:
    """A home with a short name: the path of its socket has to be."""
    folder = Path(tempfile.mkdtemp(prefix="gl"))
    with ended(folder):
        yield App(Home(folder), None)
    shutil.rmtree(folder)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    root.mkdir()
    script = tmp_path / "script.jsonl"
    script.write_text(json.dumps({"replies": [REPLY]}) + "\n")
    (root / "dune-project").write_text("(lang dune 2.9)\n")
    (root / "dune").write_text("(library (name shop))\n")
    (root / "shop.ml").write_text(SOURCE)
    (root / "greenloop.toml").write_text(
        f'[model]\nname = "scripted:{script}"\ncandidates = 1\n\n[search]\nenabled = false\n'
    )
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def test_an_editor_fixes_what_is_not_even_saved(app: App, project: Path) -> None:
    told: queue.Queue[Message] = queue.Queue()
    before = _bytes(project / ".git")
    with Client(lambda: reached(app), "test") as client:
        client.listen(lambda _name, params: told.put(params))
        opened = client.call(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(project / "shop.ml")))
        assert (opened.root, opened.trusted) == (str(project), False)
        opened = client.call(catalogue.WORKSPACE_TRUST, WorkspaceTrust(workspace=opened.workspace, trusted=True))
        assert (opened.trusted, opened.toolchain) == (True, "dune")
        _until(told, lambda news: isinstance(news, Status) and news.state is BuildState.GREEN)

        started = client.call(
            catalogue.TURN_START,
            TurnStart(workspace=opened.workspace, kind="fix", buffers=(Buffer(path="shop.ml", text=BROKEN),)),
        )
        seen = _until(told, lambda news: isinstance(news, TurnEnded))
        ended = seen[-1]
        assert isinstance(ended, TurnEnded)
        assert (ended.turn, ended.outcome, ended.fault) == (started.turn, Outcome.DONE, None)
        best = [news.suggestion for news in seen if isinstance(news, TurnCandidate)][-1]
        assert (best.id, best.badge, best.fixed) == (ended.order[0], Badge.TYPE_CHECKS, True)

        words = ("--home", str(app.home.path), "aid", "explain", started.turn, "--json")
        shown = subprocess.run([sys.executable, "-m", "greenloop", *words], capture_output=True, text=True, check=True)
        sent = json.loads(shown.stdout)["parts"]
        assert [part["role"] for part in sent][:2] == ["system", "user"]
        assert any("shop.ml" in part["text"] and part["plugin"] for part in sent)

        given = client.call(
            catalogue.SUGGESTION_ACCEPT,
            SuggestionAccept(turn=started.turn, suggestion=best.id, buffers=(Buffer(path="shop.ml", text=BROKEN),)),
        )
        assert (given.files[0].text, given.rebased) == (SOURCE, False)
        assert (
            client.call(catalogue.SUGGESTION_APPLIED, SuggestionApplied(acceptance=given.acceptance, applied=True))
            == Empty()
        )
    kinds = [event.kind for event in FeedbackLog(app.home.path / "feedback.jsonl").read()]
    assert kinds == [FeedbackKind.REQUESTED, FeedbackKind.SHOWN, FeedbackKind.ACCEPTED][:: 1 if len(kinds) == 3 else 2]
    steps = [event.step for event in app.home.funnel.events()]
    assert steps[0] is Step.REQUESTED
    assert steps[-1] is Step.ACCEPTED
    # nothing of the person's was touched
    assert _bytes(project / ".git") == before
    assert not (project / "_build").exists()
    assert (project / "shop.ml").read_text() == SOURCE


def _until(told: "queue.Queue[Message]", found: Callable[[Any], bool]) -> list[Message]:
    seen: list[Message] = []
    while not seen or not found(seen[-1]):
        seen.append(told.get(timeout=GENEROUS))
    return seen


def _bytes(folder: Path) -> dict[str, bytes]:
    return {os.path.relpath(path, folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
