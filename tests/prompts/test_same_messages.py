"""Models are trained on what ``gather`` shows with its default recipe: no byte of those messages may drift.

``same_messages.json`` holds the SHA-256 of the messages for questions about the example project and about recorded
sessions, as they were before there were recipes. A change here is a change of what every trained model is asked: it
needs new training, and then a new file: ``python -m tests.prompts.test_same_messages`` writes it. Each names a place in
the code: what the search finds for others may get better.
"""

import hashlib
import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from greenloop.prompts.gather import gather
from greenloop.prompts.question import Question
from greenloop.prompts.render import render
from greenloop.records import Category, Diagnostic, InputError, Severity, Span, TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).with_name("same_messages.json")
BUDGETS = (1200, 400, 150)
MESSAGES = (
    "Unbound value show",
    "This expression has type int but an expression was expected of type Book.Price.t",
    "Unbound value Price.of_cent\nHint: Did you mean of_cents?",
    "Syntax error: `end' expected",
)


def _files() -> Iterator[dict[str, bytes]]:
    """The example project, and single files of recorded sessions."""
    project = ROOT / "examples/orderbook"
    yield {
        str(path.relative_to(project)): path.read_bytes()
        for path in sorted(project.rglob("*"))
        if path.suffix in {".ml", ".mli", ".md"} or path.name in {"dune", "dune-project"}
    }
    with lzma.open(ROOT / "tests/e2e/data/novice-sessions.jsonl.xz", "rt", encoding="utf-8") as lines:
        bodies = dict.fromkeys(json.loads(line)["body"] for line in lines)
    for body in list(bodies)[::12]:
        yield {"hw.ml": body.encode()}


def _diagnostics(path: str, content: bytes, at: int) -> tuple[Diagnostic, ...]:
    lines = content.decode("utf-8", "replace").split("\n")
    row = at % len(lines)
    start = len(lines[row]) - len(lines[row].lstrip())
    span = Span(line=row + 1, column=start, end_line=row + 1, end_column=max(start + 1, len(lines[row].encode())))
    first = Diagnostic(
        severity=Severity.ERROR, category=Category.TYPE, message=MESSAGES[at % len(MESSAGES)], path=path, span=span
    )
    return (first, first.model_copy(update={"message": "Unbound module Nowhere", "path": None, "span": None}))


def _questions(tree: TreeId, files: dict[str, bytes]) -> Iterator[tuple[str, Question]]:
    paths = [path for path, content in files.items() if path.endswith((".ml", ".mli")) and content.strip()]
    for place, path in enumerate(paths):
        for at in (3 + place, 11 + 7 * place, 40 + 13 * place):
            yield f"{path}:{at}", Question(tree, "fix that error", _diagnostics(path, files[path], at))
    found = _diagnostics(paths[0], files[paths[0]], 5)
    yield "focused", Question(tree, "fix it", found, focus=(paths[-1], paths[0]))


def digests(store: TreeStore) -> dict[str, str]:
    """Name of each question and budget → SHA-256 of its messages."""
    found = {}
    for number, files in enumerate(_files()):
        entries = {path: Entry(Mode.FILE, store.write_blob(content)) for path, content in files.items()}
        for name, question in _questions(store.write_tree(entries), files):
            for budget in BUDGETS:
                try:
                    messages = render(question, gather(store, question, budget=budget))
                    text = "\0".join(message.content for message in messages)
                except InputError as error:
                    text = str(error)
                found[f"{number} {name} {budget}"] = hashlib.sha256(text.encode()).hexdigest()
    return found


def test_the_default_recipe_shows_what_models_were_trained_on(store: TreeStore) -> None:
    golden = json.loads(GOLDEN.read_text("utf-8"))
    found = digests(store)
    assert found.keys() == golden.keys()
    drifted = [name for name, digest in found.items() if golden[name] != digest]
    if drifted:
        pytest.fail(f"{len(drifted)} of {len(golden)} messages have changed: {drifted[:10]}")


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        GOLDEN.write_text(json.dumps(digests(TreeStore(Path(scratch, "trees"))), indent=0) + "\n", "utf-8")
