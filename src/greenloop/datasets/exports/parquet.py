"""Parquet: the dataset's own tables, every column, messages too."""

from greenloop.datasets.exports.seam import Asked, Format
from greenloop.storage import named_io_errors


def _write(asked: Asked) -> bytes:
    if not asked.dataset.examples(asked.part):
        return b""
    path = asked.dataset.folder / f"{asked.part}.parquet"
    with named_io_errors(path):
        return path.read_bytes()


FORMAT = Format("parquet", "the tables with every column, for DuckDB, pandas or `datasets`", "parquet", _write)
