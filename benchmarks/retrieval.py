"""How well and how fast a context is found: ``python benchmarks/retrieval.py --repository REPO --json``.

Quality: the subjects of a repository's newest commits are what is asked, in the tree before each; a search is good when
what it finds first holds the lines that the commit changed. ``recall_N``: the share of them among the best chunks that
fit into N estimated tokens; ``recall_at_10``: among the best ten; ``file_at_5``: how often one of the first five files
is one that was changed. Side by side: grep, the search that there was before, and the index.

Speed: a generated tree of ``--files`` files. ``gather_*``: the whole choice of a context with a warm index, 1,200
tokens, for an error, for words, and for words with unsaved buffers by the recipe `wide`. ``fresh_ms``: a question about
a tree that was saved this moment, which finds what is new in it; ``follow_ms``: until the index itself holds it.

Held out: how many edits of a dataset's test part a context lets a model make, since all lines of them are shown.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from retrieval_history import Before, Case, Grep, cases

from greenloop.datasets.load import load
from greenloop.prompts.cover import covers
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Question
from greenloop.prompts.recipes import DEFAULT, WIDE, Recipe
from greenloop.prompts.retrieval.on_disk import OnDisk
from greenloop.prompts.retrieval.seam import Hit
from greenloop.prompts.tokens import estimate_tokens
from greenloop.records import Category, Diagnostic, Severity, Span, TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore

BUDGETS = (1_200, 4_000, 12_000)
_HEADER_TOKENS = 12


class Search(Protocol):
    """What is compared."""

    def search(self, tree: TreeId, text: str, *, limit: int) -> Sequence[Hit]:
        """Return the best chunks."""
        ...


def quality(repository: Path, count: int, scratch: Path) -> dict[str, dict[str, float]]:
    """Return name → figures of each search over the commits of ``repository``."""
    store = TreeStore(scratch / "trees")
    index = OnDisk(scratch / "index", store)
    searches: dict[str, Search] = {"grep": Grep(store), "before": Before(store), "index": index}
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in searches}
    for case in cases(repository, store, count):
        index.follow(case.tree)
        for name, search in searches.items():
            rows[name].append(_figures(store, case, search.search(case.tree, case.words, limit=300)))
    return {
        name: {key: round(statistics.mean(row[key] for row in found), 3) for key in found[0]} | {"asked": len(found)}
        for name, found in rows.items()
        if found
    }


def _figures(store: TreeStore, case: Case, hits: Sequence[Hit]) -> dict[str, float]:
    figures = {}
    entries = store.files(case.tree)
    for budget in BUDGETS:
        left, seen = budget, set[tuple[str, int]]()
        for hit in hits:
            lines = store.read_blob(entries[hit.path].blob).decode("utf-8", "replace").split("\n")
            cost = _HEADER_TOKENS + estimate_tokens("\n".join(lines[hit.first_line - 1 : hit.last_line]))
            if cost <= left:
                left -= cost
                seen |= _lines(hit)
        figures[f"recall_{budget}"] = len(seen & case.changed) / len(case.changed)
    ten = set().union(*map(_lines, hits[:10]))
    figures["recall_at_10"] = len(ten & case.changed) / len(case.changed)
    files = list(dict.fromkeys(hit.path for hit in hits))[:5]
    figures["file_at_5"] = float(any(path in files for path, _ in case.changed))
    return figures


def _lines(hit: Hit) -> set[tuple[str, int]]:
    return {(hit.path, line) for line in range(hit.first_line, hit.last_line + 1)}


def speed(files: int, repeats: int, scratch: Path) -> dict[str, float]:
    """Return the figures of a generated tree of ``files`` files."""
    store = TreeStore(scratch / "many")
    with store.staged():
        tree = store.write_tree({path_of(number): _blob(store, source(number)) for number in range(files)})
    index = OnDisk(scratch / "many-index", store)
    start = time.perf_counter()
    index.follow(tree)
    figures = {"files": float(files), "first_index_s": time.perf_counter() - start}
    fresh, follow = [], []
    for number in range(repeats):
        saved = store.update(tree, {path_of(number): _blob(store, f"{source(number)}let zebra{number} = 1\n")})
        start = time.perf_counter()
        found = index.search(saved, f"zebra{number}", limit=1)
        fresh.append((time.perf_counter() - start) * 1000)
        assert found[0].path == path_of(number)
        start = time.perf_counter()
        index.follow(saved)
        follow.append((time.perf_counter() - start) * 1000)
        assert index.tree == saved
        tree = saved
    figures |= {"fresh_ms": statistics.median(fresh), "fresh_ms_max": max(fresh)}
    figures |= {"follow_ms": statistics.median(follow), "follow_ms_max": max(follow)}
    for name, recipe, kind in (("error", DEFAULT, "error"), ("words", DEFAULT, "words"), ("wide", WIDE, "buffers")):
        figures[f"gather_{name}_p50_ms"] = _gather_ms(store, index, tree, (recipe, kind), repeats)
    # what there was before read a thousand of the files for each question
    start = time.perf_counter()
    Before(store).search(tree, "render the page of a request", limit=200)
    figures["before_words_ms"] = (time.perf_counter() - start) * 1000
    return {key: round(value, 2) for key, value in figures.items()}


def _gather_ms(store: TreeStore, index: OnDisk, tree: TreeId, asked: tuple[Recipe, str], repeats: int) -> float:
    recipe, kind = asked
    times = []
    for number in range(repeats):
        path = path_of(number * 7)
        question = Question(tree, f"let handle {number} render the page twice", focus=(path,))
        if kind == "error":
            span = Span(line=20, column=4, end_line=20, end_column=12)
            error = Diagnostic(
                severity=Severity.ERROR, category=Category.TYPE, message="Unbound value render", path=path, span=span
            )
            question = Question(tree, "fix that error", (error,))
        if kind == "buffers":
            text = f"{source(number * 7)}let unsaved{number} = 1\n"
            question = Question(store.update(tree, {path: _blob(store, text)}), question.prompt, focus=(path,))
        start = time.perf_counter()
        gather(store, question, budget=1_200, recipe=recipe, index=index)
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def held_out(folder: Path, scratch: Path) -> dict[str, float]:
    """Return recipe and budget → the share of the test part whose edits a model can make from what it is shown."""
    dataset = load(folder)
    store = TreeStore(scratch / "held-out")
    dataset.add_trees(store)
    figures = {}
    for recipe in (DEFAULT, WIDE):
        for budget in (400, *BUDGETS[:2]):
            covered = 0
            for one in dataset.test:
                question = Question(one.base, one.prompt, one.diagnostics)
                covered += covers(gather(store, question, budget=budget, recipe=recipe), one.edit)
            figures[f"covered_{recipe.name}_{budget}"] = round(covered / len(dataset.test), 3)
    return figures | {"tasks": float(len(dataset.test))}


def path_of(number: int) -> str:
    """The path of a generated module."""
    return f"lib/part{number % 100}/mod_{number}.ml"


def source(number: int) -> str:
    """A generated module of 40 lines that uses others."""
    return "".join(
        f"let handle_{number}_{row} request = Mod_{(number * 31 + row) % 997}.render ~code:{row} (page{row} request)\n"
        for row in range(40)
    )


def _blob(store: TreeStore, text: str) -> Entry:
    return Entry(Mode.FILE, store.write_blob(text.encode()))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", type=Path, action="append", default=[], help="a git repository of OCaml code")
    parser.add_argument("--commits", type=int, default=100, help="so many of its commits are asked about")
    parser.add_argument("--dataset", type=Path, help="a dataset, as `greenloop dataset build` writes it")
    parser.add_argument("--files", type=int, default=10_000, help="files of the generated tree; 0: no timing")
    parser.add_argument("--repeats", type=int, default=20, help="questions of a kind that are timed")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    given = parser.parse_args()
    figures: dict[str, object] = {}
    with TemporaryDirectory(prefix="greenloop-retrieval-") as scratch:
        for number, repository in enumerate(given.repository):
            folder = Path(scratch, str(number))
            folder.mkdir()
            figures[repository.parent.name or str(repository)] = quality(repository, given.commits, folder)
        if given.dataset:
            figures["held_out"] = held_out(given.dataset, Path(scratch))
        if given.files:
            figures |= speed(given.files, given.repeats, Path(scratch))
    print(json.dumps(figures) if given.json else json.dumps(figures, indent=2))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
