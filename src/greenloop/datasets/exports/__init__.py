"""Datasets that leave: one file a format, chosen by name.

Invariants: an export appears whole or not at all, replaces no file, and reads only; equal datasets give equal bytes.
Absent here: chat templates (a trainer applies its model's own), tokenizers, network.
"""

from greenloop.datasets.exports import chat, parquet, prompt_completion, tasks, trl
from greenloop.datasets.exports.seam import Format

FORMATS: dict[str, Format] = {
    one.name: one for one in (chat.FORMAT, prompt_completion.FORMAT, trl.FORMAT, parquet.FORMAT, tasks.FORMAT)
}
"""The formats by their names."""
