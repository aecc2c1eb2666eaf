"""Building a dataset folder from examples: render, leave out by rules, split, write, and put it in place as a whole."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path

import pyarrow as pa

from greenloop.datasets.against import Against
from greenloop.datasets.card import (
    CARD_FILE,
    DROPPED_FILE,
    PACK_FILE,
    PICTURE_FILE,
    README_FILE,
    AgainstCount,
    DatasetCard,
    MinedCounts,
    card_of,
)
from greenloop.datasets.evaluation_set import EvaluationSet
from greenloop.datasets.exact import SameEdit
from greenloop.datasets.leaks import Screen, secret_rules
from greenloop.datasets.lengths import all_lengths
from greenloop.datasets.load import SUMMED_FILES, Dataset, read_card
from greenloop.datasets.near import THRESHOLD
from greenloop.datasets.near_duplicates import NAME as NEAR
from greenloop.datasets.near_duplicates import NearDuplicates
from greenloop.datasets.page import readme
from greenloop.datasets.quotas import quotas
from greenloop.datasets.repeats import OnlyTraining
from greenloop.datasets.rule import UNIT, Dropped, Rendered, Rule, Selection, select
from greenloop.datasets.split import Parts, Split, SplitBy, SplitRule, split
from greenloop.datasets.tables import parquet, rendered
from greenloop.mining.funnel import Funnel, Step
from greenloop.mining.picture import funnel_svg
from greenloop.records import Example, InputError
from greenloop.snapshots.secrets import screen as no_secrets
from greenloop.storage import named_io_errors, sha256_of, write_atomically
from greenloop.workspace.crew import Crew
from greenloop.workspace.store import TreeStore

Progress = Callable[[int, int], None]
_IN_GAP = "in the gap between the parts"
_OWN_FILES = SUMMED_FILES | {CARD_FILE, README_FILE, PICTURE_FILE}


class Repeats(StrEnum):
    """What becomes of near-duplicates."""

    DROP = "drop"
    """Of each cluster the first in time stays."""
    TRAIN = "train"
    """The others train where their author does, unless something held out is near them (``datasets.repeats``)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which examples stay. ``near`` is a Jaccard index; a quota of 0 is no limit; ``screen`` finds secrets.

    ``repeats`` are near-duplicates: none stays, or those stay that may train.
    """

    near: float = THRESHOLD
    against: tuple[EvaluationSet, ...] = ()
    max_per_author: int = 0
    max_per_file: int = 0
    repeats: Repeats = Repeats.DROP
    screen: Screen = field(default=no_secrets)

    def rules(self, store: TreeStore) -> tuple[Rule, ...]:
        """Return the rules in order: what must not leave at all, then what repeats, then what is too much."""
        return (
            *secret_rules(store, self.screen),
            SameEdit(store),
            NearDuplicates(self.near),
            *self.apart(store),
            *quotas(per_author=self.max_per_author, per_file=self.max_per_file),
        )

    def apart(self, store: TreeStore) -> tuple[Rule, ...]:
        """Return the rules that keep evaluation sets out."""
        return tuple(Against(known, store, self.near) for known in self.against)


def build(
    examples: Sequence[Example],
    store: TreeStore,
    out_dir: Path,
    *,
    name: str = "Greenloop dataset",
    rule: SplitRule | None = None,
    choice: Choice | None = None,
    also: Sequence[Example] = (),
    budget: int = 1200,
    funnel: Funnel | None = None,
    mined: MinedCounts | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Dataset:
    """Write ``examples`` as a dataset at ``out_dir`` and return it. Their order does not matter.

    ``also`` are more examples, which nobody is scored on: those train whose author is not held out, unless something
    held out is near them; what is among the examples is no more. ``store`` holds all trees; ``funnel`` and ``mined``
    are what mining counted; ``budget`` is in tokens of context for the rendered messages, which ``workers`` processes
    render (see ``workspace.crew``); ``progress`` is called with (examples rendered, all). The folder appears as a whole
    or not at all. An existing dataset there is replaced (what others put beside its files is kept); anything else is
    refused.

    Raises ``InputError`` when there are no examples or none is left, two have one id, a tree is missing, they cannot
    be split, or ``out_dir`` holds something else.
    """
    _check_place(out_dir)
    # `.` and `..` have no name of their own, and cannot be renamed
    place = out_dir.resolve()
    rule, choice = rule or SplitRule(), choice or Choice()
    counted = funnel or Funnel(steps=())
    ids = {one.id for one in examples}
    also = [one for one in also if one.id not in ids]
    _check((*examples, *also), store, counted)
    chosen = selected(examples, store, choice, budget=budget, workers=workers, progress=progress)
    counted = Funnel(steps=(*counted.steps, *chosen.steps))
    if not chosen.kept:
        raise InputError(f"no examples to build a dataset from{_why_none(counted)}", "record or import more history")
    parts = split([one.example for one in chosen.kept], rule)
    if also or choice.repeats is Repeats.TRAIN:
        more = _rendered(sorted(also, key=_in_time), store, budget, workers, progress or _silent)
        chosen, parts = _with_more(chosen, parts, rule, choice, store, more)
        counted = Funnel(steps=(*(funnel or Funnel(steps=())).steps, *chosen.steps))
    if rule.by is SplitBy.TIME:
        step = Step(name=_IN_GAP, unit=UNIT, seen=len(chosen.kept), dropped=parts.in_gap)
        counted = Funnel(steps=(*counted.steps, step))
    with _in_place_of(place) as folder:
        _write_files(folder, parts, chosen, store)
        sums = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
        written = {one.id for held in parts.examples.values() for one in held}
        card = card_of(
            {part.value: held for part, held in parts.examples.items()},
            name=name,
            split=rule.described(),
            budget=budget,
            near=choice.near,
            lengths=all_lengths([one for one in chosen.kept if one.example.id in written]),
            against=[AgainstCount(name=one.name, digest=one.digest, texts=len(one.held)) for one in choice.against],
            funnel=counted,
            mined=mined or MinedCounts(),
            pyarrow=pa.__version__,
            sums=sums,
        )
        _write_card(folder, card)
    return Dataset(out_dir, card, dict(parts.examples))


def _rendered(
    examples: Sequence[Example], store: TreeStore, budget: int, workers: int, progress: Progress
) -> list[Rendered]:
    found: list[Rendered] = []
    with Crew(store, workers) as crew:
        for one in crew.map(partial(rendered, budget=budget), examples):
            found.append(one)
            progress(len(found), len(examples))
    return found


@contextmanager
def _in_place_of(out_dir: Path) -> Iterator[Path]:
    """Give a new folder, which takes the place of ``out_dir`` at the end of the block unless that raises."""
    with named_io_errors(out_dir):
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out_dir.name}.", dir=out_dir.parent))
        # a folder below the private one gets the modes that people expect
        (scratch / "new").mkdir()
    try:
        yield scratch / "new"
        _put_in_place(scratch / "new", out_dir, scratch / "old")
    finally:
        # whatever goes wrong, an old dataset that could not be put back is never deleted
        if not (scratch / "old").exists():
            shutil.rmtree(scratch, ignore_errors=True)


def selected(
    examples: Sequence[Example],
    store: TreeStore,
    choice: Choice,
    *,
    budget: int,
    workers: int = 1,
    progress: Progress | None = None,
) -> Selection:
    """Render ``examples`` and leave out what the rules of ``choice`` drop; see ``build``."""
    ordered = sorted(examples, key=_in_time)
    return select(_rendered(ordered, store, budget, workers, progress or _silent), choice.rules(store))


def _with_more(
    chosen: Selection, parts: Parts, rule: SplitRule, choice: Choice, store: TreeStore, also: Sequence[Rendered]
) -> tuple[Selection, Parts]:
    """Give the training part what may train though nobody is scored on it."""
    if rule.by is not SplitBy.AUTHOR:
        raise InputError(
            f"what only trains can be kept apart from what is scored by its author, and the parts are split by "
            f"{rule.by.value}",
            'split by author, or set [dataset] repeats = "drop" and name no --also',
        )
    if choice.max_per_author or choice.max_per_file:
        raise InputError(
            "a quota counts what is scored and what trains alike, and near-duplicates or --also would break it",
            'set [dataset] repeats = "drop" and name no --also, or no quota',
        )
    side = {one.id: part for part, held in parts.examples.items() for one in held}
    held_out = [one for one in chosen.kept if side.get(one.example.id) is not Split.TRAIN]
    last = (*choice.apart(store), OnlyTraining(held_out, choice.near))
    if choice.repeats is Repeats.TRAIN:
        chosen = chosen.restored(NEAR, {one.example.id for one in select(chosen.of(NEAR), last).kept})
    if also:
        chosen = chosen.with_more(select(also, (*secret_rules(store, choice.screen), SameEdit(store), *last)))
    held = {one.example.id for one in held_out}
    train = tuple(one.example for one in chosen.kept if one.example.id not in held)
    return chosen, Parts({**parts.examples, Split.TRAIN: train}, parts.between)


def _in_time(one: Example) -> tuple[float, str]:
    return one.time, one.id


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


def _check(examples: Sequence[Example], store: TreeStore, funnel: Funnel) -> None:
    if not examples:
        raise InputError(f"no examples to build a dataset from{_why_none(funnel)}", "record or import more history")
    place: dict[str, int] = {}
    for number, one in enumerate(examples, 1):
        if place.setdefault(one.id, number) != number:
            raise InputError(
                f"two examples have the id {one.id}: number {place[one.id]} and number {number}", "keep one of them"
            )
    lost = [one.id for one in examples if one.base not in store or one.target not in store]
    if lost:
        raise InputError(
            f"{store.path}: the tree store does not hold the trees of {len(lost)} of {len(examples)} examples, such as "
            f"{lost[0]}",
            "build where they were mined, or import that history here first",
        )


def _why_none(funnel: Funnel) -> str:
    drops = [f"{step.name}: {step.dropped} of {step.seen} {step.unit}" for step in funnel.steps if step.dropped]
    return f"; dropped before: {'; '.join(drops)}" if drops else ""


def _write_files(folder: Path, parts: Parts, chosen: Selection, store: TreeStore) -> None:
    everything = [example for held in parts.examples.values() for example in held]
    store.export_pack((tree for one in everything for tree in (one.base, one.target)), folder / PACK_FILE)
    by_id: dict[str, Rendered] = {one.example.id: one for one in chosen.kept}
    for part, held in parts.examples.items():
        write_atomically(folder / f"{part}.jsonl", "".join(f"{one.to_json()}\n" for one in held).encode())
        write_atomically(folder / f"{part}.parquet", parquet(by_id[one.id] for one in held))
    between = (Dropped(id=one.id, rule=_IN_GAP, because="too near to another part in time") for one in parts.between)
    lines = "".join(f"{one.to_json()}\n" for one in (*chosen.dropped, *between))
    write_atomically(folder / DROPPED_FILE, lines.encode())


def _write_card(folder: Path, card: DatasetCard) -> None:
    write_atomically(folder / PICTURE_FILE, funnel_svg(card.funnel))
    write_atomically(folder / README_FILE, readme(card).encode())
    write_atomically(folder / CARD_FILE, f"{card.to_json()}\n".encode())


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
