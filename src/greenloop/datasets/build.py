"""Building a dataset folder from examples: deduplicate, split, write, and put it in place as a whole."""

import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

import greenloop
from greenloop.datasets.card import (
    CARD_FILE,
    PACK_FILE,
    README_FILE,
    DatasetCard,
    PartCount,
    dataset_version,
    readme,
)
from greenloop.datasets.load import SUMMED_FILES, Dataset, read_card
from greenloop.datasets.split import Parts, SplitBy, SplitRule, split
from greenloop.datasets.tables import messages_of, parquet
from greenloop.mining.funnel import Funnel, Step
from greenloop.records import Example, InputError
from greenloop.storage import named_io_errors, write_atomically
from greenloop.workspace.crew import Crew
from greenloop.workspace.store import TreeStore

Progress = Callable[[int, int], None]
_UNIT = "examples"
_SAME_EDIT = "same edit of the same files"
_IN_GAP = "in the gap between the parts"
_OWN_FILES = SUMMED_FILES | {CARD_FILE, README_FILE}


def build(
    examples: Sequence[Example],
    store: TreeStore,
    out_dir: Path,
    *,
    name: str = "Greenloop dataset",
    rule: SplitRule | None = None,
    budget: int = 1200,
    funnel: Funnel | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Dataset:
    """Write ``examples`` as a dataset at ``out_dir`` and return it.

    ``store`` holds their trees; ``funnel`` is what mining counted; ``budget`` is in tokens of context for the
    rendered messages, which ``workers`` processes render (see ``workspace.crew``); ``progress`` is called with
    (examples rendered, all). The folder appears as a whole or not at all. An existing dataset there is replaced (what
    others put beside its files is kept); anything else is refused.

    Raises ``InputError`` when there are no examples, they cannot be split, or ``out_dir`` holds something else.
    """
    _check_place(out_dir)
    rule = rule or SplitRule()
    counted = funnel or Funnel(steps=())
    if not examples:
        raise InputError(f"no examples to build a dataset from{_why_none(counted)}", "record or import more history")
    distinct = _distinct(examples, store)
    parts = split(distinct, rule)
    counted = Funnel(steps=(*counted.steps, *_own_steps(len(examples), len(distinct), parts, rule)))
    with named_io_errors(out_dir):
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out_dir.name}.", dir=out_dir.parent))
        # a folder below the private one gets the modes that people expect
        (scratch / "new").mkdir()
    try:
        with Crew(store, workers) as crew:
            _write_files(scratch / "new", parts, store, crew, budget, progress or _silent)
        sums = {path.name: _digest(path) for path in sorted((scratch / "new").iterdir())}
        card = _card(name, parts, rule.described(), budget, counted, sums)
        write_atomically(scratch / "new" / README_FILE, readme(card).encode())
        write_atomically(scratch / "new" / CARD_FILE, f"{card.to_json()}\n".encode())
        _put_in_place(scratch / "new", out_dir, scratch / "old")
    finally:
        # whatever goes wrong, an old dataset that could not be put back is never deleted
        if not (scratch / "old").exists():
            shutil.rmtree(scratch, ignore_errors=True)
    return Dataset(out_dir, card, dict(parts.examples))


def _silent(_done: int, _of: int) -> None:
    """Report to nobody."""


def _check_place(out_dir: Path) -> None:
    if out_dir.is_symlink() or (out_dir.exists() and not out_dir.is_dir()):
        raise InputError(f"{out_dir}: not a folder", "choose another place for the dataset")
    if not out_dir.is_dir() or not any(out_dir.iterdir()):
        return
    try:
        read_card(out_dir)
    except InputError as error:
        raise InputError(
            f"{out_dir}: holds something that is no Greenloop dataset, so it is not replaced ({error.message})",
            "choose another folder, or empty this one",
        ) from error


def _why_none(funnel: Funnel) -> str:
    drops = [f"{step.name}: {step.dropped} of {step.seen} {step.unit}" for step in funnel.steps if step.dropped]
    return f"; dropped before: {'; '.join(drops)}" if drops else ""


def _distinct(examples: Sequence[Example], store: TreeStore) -> list[Example]:
    """Drop what repeats an earlier example: the same edit of files with the same bytes, whatever else the tree has."""
    seen: set[str] = set()
    kept = []
    for example in examples:
        files = [(path, store.entry(example.base, path)) for path in example.edit.paths]
        blobs = [(path, entry and (int(entry.mode), entry.blob)) for path, entry in files]
        key = hashlib.sha256(json.dumps([blobs, example.edit.to_json()]).encode()).hexdigest()
        if key not in seen:
            seen.add(key)
            kept.append(example)
    return kept


def _own_steps(given: int, distinct: int, parts: Parts, rule: SplitRule) -> list[Step]:
    steps = [Step(name=_SAME_EDIT, unit=_UNIT, seen=given, dropped=given - distinct)]
    if rule.by is SplitBy.TIME:
        steps.append(Step(name=_IN_GAP, unit=_UNIT, seen=distinct, dropped=parts.in_gap))
    return steps


def _write_files(folder: Path, parts: Parts, store: TreeStore, crew: Crew, budget: int, progress: Progress) -> None:
    everything = [example for held in parts.examples.values() for example in held]
    # the crew renders while this process writes the trees
    rendered = enumerate(crew.map(partial(messages_of, budget=budget), everything), 1)
    store.export_pack((tree for one in everything for tree in (one.base, one.target)), folder / PACK_FILE)
    for part, held in parts.examples.items():
        write_atomically(folder / f"{part}.jsonl", "".join(f"{one.to_json()}\n" for one in held).encode())
        rows = []
        # `held` comes first: at its end nothing of the next part has been taken
        for example, (done, messages) in zip(held, rendered, strict=False):
            rows.append((example, messages))
            progress(done, len(everything))
        write_atomically(folder / f"{part}.parquet", parquet(rows))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _card(name: str, parts: Parts, split_by: str, budget: int, funnel: Funnel, sums: dict[str, str]) -> DatasetCard:
    everything = [example for held in parts.examples.values() for example in held]
    return DatasetCard(
        name=name,
        dataset=dataset_version(sums),
        parts={part.value: _count(held) for part, held in parts.examples.items()},
        split=split_by,
        categories=dict(sorted(Counter(one.category.value for one in everything).items())),
        origins=dict(sorted(Counter(one.origin.value for one in everything).items())),
        toolchains=tuple(sorted({one.toolchain for one in everything})),
        suites=tuple(sorted({one.suite.value for one in everything})),
        prompt_budget=budget,
        funnel=funnel,
        software={"greenloop": greenloop.__version__, "pyarrow": pa.__version__},
        sha256=sums,
    )


def _count(examples: Sequence[Example]) -> PartCount:
    return PartCount(examples=len(examples), authors=len({one.author for one in examples}))


def _put_in_place(fresh: Path, out_dir: Path, aside: Path) -> None:
    """Let ``fresh`` take the place of ``out_dir``; what others put beside the dataset's files moves along."""
    with named_io_errors(out_dir):
        if not out_dir.exists():
            fresh.rename(out_dir)
            return
        # two renames: a kill between them leaves the old dataset whole at `aside`
        out_dir.rename(aside)
        try:
            fresh.rename(out_dir)
        except OSError:
            aside.rename(out_dir)
            raise
        for path in sorted(aside.iterdir()):
            if path.name not in _OWN_FILES:
                path.rename(out_dir / path.name)
        shutil.rmtree(aside)
