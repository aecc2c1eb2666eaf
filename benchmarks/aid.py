"""What the sidecar costs beside the model: a real one, over its socket, a generated dune repository, the real build.

    python benchmarks/aid.py [--files 10000] [--modules 200] [--turns 40] [--local [TURNS]] [--json]

A scripted model server with fixed delays stands in for the model, so that the figures are the sidecar's. The last line
of ``--json`` is

    {"first_byte_p50_ms": …, "first_byte_p95_ms": …, "badge_p50_ms": …, "dune_check_ms": …, "badge_ratio": …,
     "start_ms": …, "rss_mib": …, "index_fresh_ms": …, "cancel_ms": …, …}

``first_byte``: from the request to the arrival of the sidecar's request at the model server. ``badge``: from the last
piece of a reply to its suggestion with a badge; ``dune_check``: plain ``dune build @check`` of the same change (the
unsaved buffer and the model's edit) to the same warm tree, in turn with them, and ``dune_edit_alone`` that of the
edit alone where the buffer was built already. ``start``: from the command to the first answer of a new sidecar;
``rss``: resident memory of the sidecar after all turns. ``index_fresh``: from a save to a request at the model server
that holds what was saved. ``cancel``: from ``turn/cancel`` to ``turn/ended``, the worst of several, the model silent
or in mid-stream. ``crowd``: 20 turns of 3 clients at once, until the last one has ended, and the longest wait of one
of them for a candidate.

``--local`` needs the local model, and adds what a person waits for with it, over so many turns that mend an error of
an unsaved module: ``local_turn_ms``, from the request to ``turn/ended``; ``own_ms``, the sidecar's own part of that,
outside the model's generation and outside the build (``aid_local`` says how it is told); ``own_share``, that part's
share of the whole turn, and ``own_share_worst``, that of the worst turn; the others are medians.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from aid_editor import Editor
from aid_local import own_part

from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Empty
from greenloop.aid.protocol.session import BuildState, FileSaved, Status, WorkspaceOpen, WorkspaceTrust
from greenloop.aid.protocol.turns import Buffer, Place, TurnCandidate, TurnDelta, TurnEnded, TurnRef, TurnStart
from greenloop.cli.aid_place import reached
from greenloop.cli.app import App
from greenloop.cli.home import Home
from greenloop.models.scripted_server import ScriptedServer, Served, event, streamed
from greenloop.records import Badge

_THOUGHT = 1.0
"""Seconds before the first piece of a reply in timed turns: what a fast model takes; the tree is judged meanwhile."""
_PIECE = 0.002


class Server:
    """The model: answers as ``answer`` says, and notes when a request came and what it holds."""

    def __init__(self) -> None:
        self.arrived: list[tuple[float, str]] = []
        self.answer: Callable[[dict[str, Any]], Served] = lambda _body: streamed("nothing")

    def __call__(self, body: dict[str, Any]) -> Served:
        self.arrived.append((time.perf_counter(), json.dumps(body["messages"])))
        return self.answer(body)


def make(root: Path, files: int, modules: int) -> None:
    """Write the repository: a chain of modules, and texts beside them."""
    (root / "lib").mkdir(parents=True)
    (root / "dune-project").write_text("(lang dune 2.9)\n")
    (root / "lib/dune").write_text("(library (name big))\n")
    for number in range(modules):
        before = f"M{number - 1}.value + " if number % 20 else ""
        lines = [f"let item_{line} x = x + {line}" for line in range(20)]
        (root / f"lib/m{number}.ml").write_text("\n".join([*lines, f"let value = {before}{number}", ""]))
    for number in range(files - modules - 2):
        folder = root / f"docs/d{number % 100}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"note{number}.txt").write_text(f"note {number}\n")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "add", "-A"], check=True)


def block(number: int, value: int) -> str:
    before = f"M{number - 1}.value + " if number % 20 else ""
    return f"lib/m{number}.ml\n<<<<\nlet value = {before}{number}\n====\nlet value = {before}{value}\n>>>>\n"


def turns(model: Server, editor: Editor, workspace: str, root: Path, count: int) -> dict[str, float]:
    """Measure turns and plain checks by turns: to the model, and from the reply to the badge."""
    first, badge, check, alone = [], [], [], []
    for number in range(count):
        editor.forget()
        model.arrived.clear()
        model.answer = partial(
            _always, streamed(block(199, 1000 + number), first_seconds=_THOUGHT, piece_seconds=_PIECE)
        )
        buffer = Buffer(path="lib/m7.ml", text=(root / "lib/m7.ml").read_text() + f"let fresh = {number}\n")
        start = TurnStart(
            workspace=workspace, kind="ask", prompt="Raise the value of m199.", place=Place(path="lib/m199.ml"),
            buffers=(buffer,),
        )  # fmt: skip
        began = time.perf_counter()
        turn = editor.client.call(catalogue.TURN_START, start).turn
        judged = editor.wait(lambda one: isinstance(one, TurnCandidate) and one.suggestion.badge is Badge.TYPE_CHECKS)
        editor.wait(partial(_ended, turn))
        last = max(at for at, one in editor.when if isinstance(one, TurnDelta))
        first.append(model.arrived[0][0] - began)
        badge.append(judged - last)
        if number % 2 == 0:
            old, new = block(199, 1000 + number).split("<<<<\n")[1].removesuffix(">>>>\n").split("====\n")
            edited = (root / "lib/m199.ml").read_text().replace(old, new)
            check.append(_plain_check(root, {"lib/m7.ml": buffer.text or "", "lib/m199.ml": edited}))
            alone.append(_plain_check(root, {"lib/m199.ml": edited}))
    first.sort()
    return {
        "first_byte_p50_ms": 1000 * statistics.median(first),
        "first_byte_p95_ms": 1000 * first[int(0.95 * (len(first) - 1))],
        "badge_p50_ms": 1000 * statistics.median(badge),
        "dune_check_ms": 1000 * statistics.median(check[1:] or check),
        "dune_edit_alone_ms": 1000 * statistics.median(alone[1:] or alone),
        "badge_ratio": statistics.median(badge) / statistics.median(check[1:] or check),
    }


def _plain_check(root: Path, changes: dict[str, str]) -> float:
    """Return the seconds of dune's own check of the same change to the same warm tree, in a copy of the workspace."""
    copy = root.parent / "plain"
    if not copy.exists():
        shutil.copytree(root, copy)
    for path in changes:
        shutil.copyfile(root / path, copy / path)
    # twice: dune hashes every file again that is as young as its last run
    for _ in range(2):
        subprocess.run(["dune", "build", "--root", str(copy), "@check"], check=True, capture_output=True)
    for path, text in changes.items():
        (copy / path).write_text(text)
    began = time.perf_counter()
    subprocess.run(["dune", "build", "--root", str(copy), "@check"], check=True, capture_output=True)
    return time.perf_counter() - began


def status(editor: Editor, workspace: str, root: Path) -> dict[str, float]:
    """Measure the way from a save to the status of its tree."""
    found = []
    for number in range(10):
        editor.forget()
        path = root / "lib/m150.ml"
        path.write_text(path.read_text() + f"let more_{number} = {number}\n")
        began = time.perf_counter()
        editor.client.tell(catalogue.FILE_SAVED, FileSaved(workspace=workspace, path="lib/m150.ml"))
        found.append(editor.wait(lambda one: isinstance(one, Status) and one.state is BuildState.GREEN) - began)
    return {"status_p50_ms": 1000 * statistics.median(found)}


def freshness(model: Server, editor: Editor, workspace: str, root: Path) -> dict[str, float]:
    """Measure from a save until the model is shown what was saved, asked about in words."""
    found = []
    for number in range(10):
        model.answer = partial(_saying, "Nothing to do.")
        word = f"zanzibar{number}quartz"
        (root / f"lib/m{120 + number}.ml").write_text(f"let {word} = {number}\nlet value = {120 + number}\n")
        saved = time.perf_counter()
        shown = None
        while shown is None:
            model.arrived.clear()
            editor.forget()
            start = TurnStart(workspace=workspace, kind="ask", prompt=f"What is {word}?", whole_project=True)
            turn = editor.client.call(catalogue.TURN_START, start).turn
            editor.wait(partial(_ended, turn))
            shown = next((at for at, text in model.arrived if f"let {word}" in text), None)
        found.append(shown - saved)
    return {"index_fresh_ms": 1000 * statistics.median(found)}


def cancels(model: Server, editor: Editor, workspace: str) -> dict[str, float]:
    """Measure from ``turn/cancel`` to ``turn/ended``."""
    worst = 0.0
    silent, stuck = Served([], first_seconds=600.0), Served([event({"content": "x"})], then="hang")
    for served in (silent, stuck) * 5:
        editor.forget()
        model.arrived.clear()
        model.answer = partial(_always, served)
        start = TurnStart(workspace=workspace, kind="ask", prompt="Think.", place=Place(path="lib/m199.ml"))
        turn = editor.client.call(catalogue.TURN_START, start).turn
        while not model.arrived:
            time.sleep(0.01)
        began = time.perf_counter()
        editor.client.call(catalogue.TURN_CANCEL, TurnRef(turn=turn))
        ended = editor.wait(partial(_ended, turn))
        worst = max(worst, ended - began)
    return {"cancel_ms": 1000 * worst}


def crowd(model: Server, app: App, workspace: str, root: Path) -> dict[str, float]:
    """Measure 20 turns of 3 clients at once."""
    model.answer = partial(_saying, block(199, 77))
    with ExitStack() as open_:
        editors = [Editor(lambda: reached(app), f"editor-{number}") for number in range(3)]
        for one in editors:
            open_.enter_context(one.client)
            one.client.call(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(root)))
        began = time.perf_counter()
        running = []
        for number in range(20):
            one = editors[number % 3]
            words = f"Raise the value of m199, {number}."
            start = TurnStart(workspace=workspace, kind="ask", prompt=words, place=Place(path="lib/m199.ml"))
            running.append((one, one.client.call(catalogue.TURN_START, start).turn))
        first, last = [], []
        for one, turn in running:
            last.append(one.wait(partial(_ended, turn)) - began)
            first.append(one.wait(partial(_proposed, turn)) - began)
    return {"crowd_s": max(last), "crowd_first_s": max(first)}


def _ended(turn: str, news: Any) -> bool:
    return isinstance(news, TurnEnded) and news.turn == turn


def _proposed(turn: str, news: Any) -> bool:
    return isinstance(news, TurnCandidate) and news.turn == turn


def _always(served: Served, _body: dict[str, Any]) -> Served:
    return served


def _saying(text: str, _body: dict[str, Any]) -> Served:
    return streamed(text)


def measured(folder: Path, files: int, modules: int, count: int) -> dict[str, float]:
    """Measure everything with one sidecar."""
    root, model = folder / "repo", Server()
    make(root, files, modules)
    app = App(Home(folder / "home"), None)
    with ScriptedServer(model) as server:
        (root / "greenloop.toml").write_text(
            f'[model]\nname = "openai:scripted@{server.url}"\ncandidates = 1\nretries = 0\n[search]\nenabled = false\n'
        )
        subprocess.run(["git", "-C", str(root), "add", "-A"], check=True)
        began = time.perf_counter()
        editor = Editor(lambda: reached(app), "editor")
        with editor.client:
            found = editor.client.call(catalogue.SIDECAR_STATUS, Empty())
            figures = {"start_ms": 1000 * (time.perf_counter() - began)}
            opened = editor.client.call(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(root)))
            wanted = WorkspaceTrust(workspace=opened.workspace, trusted=True)
            editor.client.call(catalogue.WORKSPACE_TRUST, wanted)
            editor.wait(lambda one: isinstance(one, Status) and one.state is BuildState.GREEN)
            figures |= turns(model, editor, opened.workspace, root, count)
            figures |= status(editor, opened.workspace, root)
            figures |= freshness(model, editor, opened.workspace, root)
            figures |= cancels(model, editor, opened.workspace)
            figures |= crowd(model, app, opened.workspace, root)
            figures["rss_mib"] = psutil.Process(found.pid).memory_info().rss / 2**20
    return figures


def _stop(home: Path) -> None:
    words = ("--home", str(home), "aid", "stop")
    subprocess.run([sys.executable, "-m", "greenloop", *words], check=False, capture_output=True)


def main() -> None:
    """Measure, and print a table or an object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--modules", type=int, default=200)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--local", type=int, nargs="?", const=10, default=0, metavar="TURNS", help="turns of the local model, too"
    )
    options = parser.parse_args()
    # a socket's path is short
    folder = Path(tempfile.mkdtemp(prefix="gl"))
    try:
        figures = measured(folder, options.files, options.modules, options.turns)
        if options.local:
            _stop(folder / "home")
            figures |= own_part(folder / "repo", folder / "home", options.modules, options.local)
    finally:
        _stop(folder / "home")
        shutil.rmtree(folder, ignore_errors=True)
    rounded = {name: round(value, 2) for name, value in figures.items()}
    if not options.json:
        print("\n".join(f"{name:24} {value:>10}" for name, value in rounded.items()))
    else:
        print(json.dumps(rounded))


if __name__ == "__main__":
    main()
