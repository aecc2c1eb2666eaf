"""Reading what a dataset must not hold: an evaluation set, as a dataset, as examples, or as anybody's file.

- A dataset's folder: its held-out parts, ``valid`` and ``test``; what it trains on evaluates nobody.
- Examples (``.jsonl`` of ``greenloop mine``): all of them; their trees must be in the tree store.
- Any other JSON or JSON lines: every text in it of ten tokens or more, as a file and as an edit.
- Any other file: its text, as a file and as an edit.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from greenloop.datasets.load import load, read_examples
from greenloop.datasets.split import Split
from greenloop.datasets.texts import edit_text, touched
from greenloop.records import Example, InputError
from greenloop.storage import named_io_errors
from greenloop.workspace.store import TreeStore
from greenloop.workspace.tokens import tokens

_FEWEST_TOKENS = 10
"""A shorter text in a foreign file is an id, a name or a phrase like "fix that error"."""


@dataclass(frozen=True, slots=True)
class Held:
    """A text of an evaluation set; ``where`` says which, ``file`` and ``edit`` what it may be the same as."""

    where: str
    text: str
    file: bool
    edit: bool


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """A named evaluation set. ``digest`` is a dataset's version, or the head of a file's SHA-256."""

    name: str
    digest: str
    held: tuple[Held, ...]


def read_set(path: Path, store: TreeStore) -> EvaluationSet:
    """Read an evaluation set; ``store`` holds the trees of an examples file.

    Raises ``InputError`` when there is none at ``path``, or nothing to compare with in it.
    """
    found = _of_dataset(path) if path.is_dir() else _of_file(path, store)
    if not found.held:
        raise InputError(f"{path}: holds nothing to compare with", "name a dataset, examples, or a file of texts")
    return found


def _of_dataset(folder: Path) -> EvaluationSet:
    dataset = load(folder)
    examples = [one for part in (Split.VALID, Split.TEST) for one in dataset.examples(part)]
    # a store of their own: what must not be trained on does not move in with what is
    with tempfile.TemporaryDirectory(prefix="greenloop-against-") as place:
        store = TreeStore(Path(place) / "trees")
        dataset.add_trees(store)
        held = tuple(text for one in examples for text in _of_example(one, store))
        store.close()
    return EvaluationSet(_named(folder), dataset.version, held)


def _of_file(path: Path, store: TreeStore) -> EvaluationSet:
    with named_io_errors(path):
        content = path.read_bytes()
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})", "give a text or a dataset") from error
    digest = hashlib.sha256(content).hexdigest()[:16]
    if path.suffix not in {".json", ".jsonl"}:
        return EvaluationSet(_named(path), digest, (Held("its text", text, True, True),) if text.strip() else ())
    bodies = list(_parsed(path, text))
    if any(isinstance(body, dict) and body.get("record") == "Example" for _, body in bodies):
        examples = read_examples(path)
        lost = next((one for one in examples if one.base not in store or one.target not in store), None)
        if lost is not None:
            raise InputError(
                f"{path}: the trees of example {lost.id} are not in the tree store",
                "import the history that it was mined from, or name the dataset that was built of it",
            )
        return EvaluationSet(_named(path), digest, tuple(text for one in examples for text in _of_example(one, store)))
    texts = (Held(where, found, True, True) for where, body in bodies for found in _texts(body))
    return EvaluationSet(_named(path), digest, tuple(texts))


def _named(path: Path) -> str:
    # no folder of this machine on a card
    return path.resolve().name


def _of_example(example: Example, store: TreeStore) -> Iterator[Held]:
    yield Held(f"the edit of {example.id}", edit_text(example.edit), False, True)
    for (side, path), content in touched(store, example).items():
        when = "before" if side == "base" else "after"
        text = content.decode("utf-8", "replace")
        if text.strip():
            yield Held(f"{path} {when} the edit of {example.id}", text, True, False)


def _parsed(path: Path, text: str) -> Iterator[tuple[str, object]]:
    lines = text.split("\n") if path.suffix == ".jsonl" else [text]
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield f"line {number}" if path.suffix == ".jsonl" else "its text", json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}, line {number}: not JSON: {error}", "was the file cut short?") from error


def _texts(body: object) -> Iterator[str]:
    if isinstance(body, str):
        if len(tokens(body.encode("utf-8", "replace"), None)) >= _FEWEST_TOKENS:
            yield body
    elif isinstance(body, dict):
        for value in body.values():
            yield from _texts(value)
    elif isinstance(body, list):
        for value in body:
            yield from _texts(value)
