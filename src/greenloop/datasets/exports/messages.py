"""The messages of a part, as they were rendered when the dataset was built."""

from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq

from greenloop.datasets.exports.seam import Asked

Turns = list[dict[str, str]]
"""System, user and assistant message, each with ``role`` and ``content``."""


def messages(asked: Asked) -> Iterator[Turns]:
    """Yield the messages of each example, in the order of the part."""
    column: Any = pq.read_table(asked.dataset.folder / f"{asked.part}.parquet", columns=["messages"])["messages"]
    for turns in column.to_pylist():
        yield [{"role": turn["role"], "content": turn["content"]} for turn in turns]
