"""Opening a dataset folder: every file is checked against the card before anything is believed."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from greenloop.datasets.card import CARD_FILE, DROPPED_FILE, PACK_FILE, DatasetCard, dataset_version
from greenloop.datasets.rule import Dropped
from greenloop.datasets.split import Split
from greenloop.records import Example, InputError, Origin, Record, RecordError, Task
from greenloop.storage import named_io_errors, sha256_of
from greenloop.workspace.store import TreeStore

SUMMED_FILES = frozenset(
    {PACK_FILE, DROPPED_FILE, *(f"{part}.{end}" for part in Split for end in ("jsonl", "parquet"))}
)
"""The files whose sums a card holds: each of them, and no path that leads elsewhere."""
EVERYTHING = "all"
"""The name of all parts together: for examples of which none was trained on."""
Line = TypeVar("Line", bound=Record)
_REBUILD = "build or fetch the dataset again"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset in ``folder``: its card, and the examples of each part in order."""

    folder: Path
    card: DatasetCard
    parts: Mapping[Split, tuple[Example, ...]]

    @property
    def version(self) -> str:
        """The version: the same for the same contents."""
        return self.card.dataset

    @property
    def train(self) -> tuple[Example, ...]:
        """What a model may learn from."""
        return self.parts[Split.TRAIN]

    @property
    def valid(self) -> tuple[Example, ...]:
        """What choices between models may be made by; may be empty."""
        return self.parts[Split.VALID]

    @property
    def test(self) -> tuple[Example, ...]:
        """What a model is scored on at the end."""
        return self.parts[Split.TEST]

    def examples(self, split: str) -> tuple[Example, ...]:
        """Return the examples of one part, or of ``all``. Raises ``InputError`` for an unknown part."""
        return part_of(self.parts, split)

    def tasks(self, split: str, max_changed_lines: int = 10) -> tuple[Task, ...]:
        """Return the questions of one part; a fix of more than ``max_changed_lines`` lines does not count.

        Examples whose own edit is larger are left out: nobody could answer them as the person did. So are those that
        mended a later error and left the first: an answer is judged by the first.
        """
        return tasks(self.examples(split), max_changed_lines)

    def dropped(self) -> tuple[Dropped, ...]:
        """Return what was left out when it was built, in the order of the rules."""
        return _read(self.folder / DROPPED_FILE, Dropped)

    def add_trees(self, store: TreeStore) -> None:
        """Add the trees of all examples, before and after, to ``store``."""
        store.import_pack(self.folder / PACK_FILE)


def part_of(parts: Mapping[Split, tuple[Example, ...]], name: str) -> tuple[Example, ...]:
    """Return the examples of the part of that name, or of ``all`` parts. Raises ``InputError`` for an unknown part."""
    if name == EVERYTHING:
        return tuple(one for part in Split for one in parts[part])
    if name not in tuple(Split):
        raise InputError(f"no part is called {name!r}", f"there are {', '.join((*Split, EVERYTHING))}")
    return parts[Split(name)]


def by_authors(examples: Sequence[Example], authors: Collection[str]) -> tuple[Example, ...]:
    """Return the examples of these people. Raises ``InputError`` naming one who has none."""
    people = {one.author for one in examples}
    unknown = sorted(set(authors) - people)
    if unknown:
        raise InputError(f"nobody called {unknown[0]!r} has an example here", f"there are {', '.join(sorted(people))}")
    return tuple(one for one in examples if one.author in authors)


def tasks(examples: Sequence[Example], max_changed_lines: int) -> tuple[Task, ...]:
    """Return the questions of examples whose own edit changes at most so many lines, in order.

    Examples that mended a later error and left the first are no questions: an answer is judged by the first.
    """
    return tuple(
        Task(
            id=example.id,
            author=example.author,
            base=example.base,
            prompt=example.prompt,
            diagnostics=example.diagnostics,
            category=example.category,
            suite=example.suite,
            max_changed_lines=max_changed_lines,
        )
        for example in examples
        if example.changed_lines <= max_changed_lines and example.origin is not Origin.SHRINKING
    )


def load(folder: Path) -> Dataset:
    """Open the dataset in ``folder``.

    Raises ``InputError`` when it is none, or names the file that is missing, was changed, or was cut short.
    """
    card = read_card(folder)
    if dataset_version(card.sha256) != card.dataset:
        raise InputError(f"{folder / CARD_FILE}: the version does not follow from the sums", _REBUILD)
    if card.sha256.keys() != SUMMED_FILES:
        odd = ", ".join(sorted(card.sha256.keys() ^ SUMMED_FILES))
        raise InputError(f"{folder / CARD_FILE}: its sums are not those of a dataset's files: {odd}", _REBUILD)
    for name, wanted in card.sha256.items():
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path}: missing from the dataset", _REBUILD)
        if sha256_of(path) != wanted:
            raise InputError(f"{path}: changed or cut short: its SHA-256 is not the card's", _REBUILD)
    parts = {split: read_examples(folder / f"{split}.jsonl") for split in Split}
    counts = Counter({split.value: len(held) for split, held in parts.items()})
    if counts != Counter({name: part.examples for name, part in card.parts.items()}):
        raise InputError(f"{folder / CARD_FILE}: the counts of the parts are not those of the files", _REBUILD)
    return Dataset(folder, card, parts)


def read_card(folder: Path) -> DatasetCard:
    """Read the card of a dataset folder. Raises ``InputError`` when there is none, or it cannot be read."""
    path = folder / CARD_FILE
    if not path.is_file():
        raise InputError(f"{folder}: no dataset here: {CARD_FILE} is missing", "`greenloop dataset build` makes one")
    with named_io_errors(path):
        content = path.read_bytes()
    try:
        return DatasetCard.from_json(content.decode())
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})", _REBUILD) from error
    except RecordError as error:
        raise InputError(f"{path}: {error.message}", error.way_out or _REBUILD) from error


def read_examples(path: Path) -> tuple[Example, ...]:
    """Read examples, one JSON object a line.

    Raises ``InputError`` naming file and line when one cannot be read, or the file was cut short.
    """
    return _read(path, Example)


def _read(path: Path, kind: type[Line]) -> tuple[Line, ...]:
    with named_io_errors(path):
        content = path.read_bytes()
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})", _REBUILD) from error
    if lines[-1]:
        raise InputError(f"{path}: cut short: the last line has no end", _REBUILD)
    found = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            found.append(kind.from_json(line))
        except RecordError as error:
            raise InputError(f"{path}, line {number}: {error.message}", error.way_out or _REBUILD) from error
    return tuple(found)
