"""Histories that leave: one file a format, chosen by name.

Invariants: an export appears whole or not at all, and reads only; memory follows what is written at a time, never
the history. Absent here: which workspaces a person may give away, and any network (``snapshots.push`` has that).
"""

from dataclasses import dataclass
from importlib import import_module
from typing import cast

from greenloop.snapshots.exports.seam import Write


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what it is good for, and where it is written: ``MODULE:FUNCTION`` in this package."""

    place: str
    about: str

    @property
    def write(self) -> Write:
        """What writes it, imported when it is chosen: pyarrow alone takes 40 MiB, which a recorder never needs."""
        module, _, name = self.place.partition(":")
        return cast("Write", getattr(import_module(f"{__name__}.{module}"), name))


FORMATS: dict[str, Format] = {
    "jsonl": Format("jsonl:export_history", "one file of JSON lines, .xz or plain; any Greenloop reads it"),
    "pack": Format("pack:export_pack", "one file, the smallest; any Greenloop imports it"),
    "parquet": Format("parquet:export_parquet", "a folder of Parquet tables, for DuckDB, pandas or `datasets`"),
    "progsnap2": Format("progsnap2:export_progsnap2", "a ProgSnap2 1.0 data set, for research on how people program"),
}
"""The formats by their names."""
