"""What a format is, and what it is given."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from greenloop.datasets.load import Dataset
from greenloop.datasets.split import Split


@dataclass(frozen=True, slots=True)
class Asked:
    """One part of a dataset. ``max_changed_lines`` is for formats that ask questions, see ``Dataset.tasks``."""

    dataset: Dataset
    part: Split
    max_changed_lines: int = 10


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what it is good for, how its files end, and what writes a part; no bytes where it holds nothing."""

    name: str
    about: str
    ending: str
    write: Callable[[Asked], bytes]


def json_lines(rows: Iterable[Mapping[str, object]]) -> bytes:
    """Return ``rows`` as JSON lines, keys in the order given."""
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()
