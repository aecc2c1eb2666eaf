"""What the benchmarks of the search share: a dataset's tasks, judged by the real engine in a home of their own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap
from greenloop.builds.toolchains.ocaml_file import OcamlFile
from greenloop.builds.verdicts import VerdictStore
from greenloop.datasets.load import Dataset, load
from greenloop.datasets.shares import in_order
from greenloop.records import Example, Status, TreeId, Verdict
from greenloop.workspace.store import TreeStore


@contextmanager
def bench(folder: Path) -> Iterator[tuple[Dataset, TreeStore, Engine]]:
    """Open the dataset in ``folder``, with a store that holds its trees and a judge of single OCaml files."""
    with TemporaryDirectory(prefix="greenloop-search-") as scratch:
        dataset = load(folder)
        store = TreeStore(Path(scratch, "trees"))
        dataset.add_trees(store)
        verdicts = VerdictStore(Path(scratch, "verdicts.db"))
        engine = Engine(
            store=store, verdicts=verdicts, toolchain=OcamlFile(), sandbox=Bubblewrap(), scratch=Path(scratch, "work")
        )
        yield dataset, store, engine
        engine.close()
        verdicts.close()


def drawn(examples: Sequence[Example], count: int) -> list[Example]:
    """Return ``count`` examples in the order of the SHA-256 of their ids: as good as drawn, and always the same."""
    by_id = {one.id: one for one in examples}
    return [by_id[name] for name in in_order(by_id)][:count]


def red(judge: Engine, example: Example) -> Verdict | None:
    """Return the verdict on an example's base, or ``None`` when this compiler finds no error in it."""
    before = judge.judge(example.base, example.suite)
    return before if before.status is Status.RED and before.errors else None


def bare(store: TreeStore, tree: TreeId | None) -> dict[str, bytes]:
    """Return every file of a tree, path → content without white space."""
    if tree is None:
        return {}
    return {path: b"".join(store.read_blob(entry.blob).split()) for path, entry in store.files(tree).items()}
