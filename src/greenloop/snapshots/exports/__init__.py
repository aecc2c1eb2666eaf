"""Histories that leave: one file a format, chosen by name.

Invariants: an export appears whole or not at all, and reads only; memory follows what is written at a time, never
the history. Absent here: which workspaces a person may give away, and any network (``snapshots.push`` has that).
"""

from dataclasses import dataclass

from greenloop.snapshots.exports.jsonl import export_history
from greenloop.snapshots.exports.pack import export_pack
from greenloop.snapshots.exports.parquet import export_parquet
from greenloop.snapshots.exports.progsnap2 import export_progsnap2
from greenloop.snapshots.exports.seam import Write


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what it is good for, and how it is written."""

    write: Write
    about: str


FORMATS: dict[str, Format] = {
    "jsonl": Format(export_history, "one file of JSON lines, .xz or plain; any Greenloop reads it"),
    "pack": Format(export_pack, "one file, the smallest; any Greenloop imports it"),
    "parquet": Format(export_parquet, "a folder of Parquet tables, for DuckDB, pandas or `datasets`"),
    "progsnap2": Format(export_progsnap2, "a ProgSnap2 1.0 data set, for research on how people program"),
}
"""The formats by their names."""
