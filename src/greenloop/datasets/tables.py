"""Examples as Parquet: flat columns that Hugging Face ``datasets``, DuckDB and pandas read."""

import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from greenloop.models.seam import Message
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Question
from greenloop.prompts.render import render_training
from greenloop.records import Example
from greenloop.workspace.store import TreeStore

# in quotes: the stubs know the type of a field, the library at run time does not
_FIELDS: "list[pa.Field[Any]]" = [
    pa.field("id", pa.string()),
    pa.field("workspace", pa.string()),
    pa.field("author", pa.string()),
    pa.field("time", pa.float64()),
    pa.field("category", pa.string()),
    pa.field("prompt", pa.string()),
    pa.field("description", pa.string()),
    pa.field("base", pa.string()),
    pa.field("target", pa.string()),
    pa.field("changed_lines", pa.int64()),
    pa.field("suite", pa.string()),
    pa.field("toolchain", pa.string()),
    pa.field("diagnostics", pa.string()),
    pa.field("edit", pa.string()),
    pa.field("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
]

SCHEMA = pa.schema(_FIELDS)
"""``diagnostics`` and ``edit`` are JSON; ``messages`` are what the model sees and what it should reply."""


def messages_of(store: TreeStore, example: Example, budget: int) -> tuple[Message, ...]:
    """Return system, user and assistant message of an example, its context in at most ``budget`` tokens."""
    question = Question(tree=example.base, prompt=example.prompt, diagnostics=example.diagnostics)
    return render_training(question, gather(store, question, budget=budget), example.edit)


def parquet(examples: Iterable[tuple[Example, Sequence[Message]]]) -> bytes:
    """Return examples with their messages as one Parquet file; the same input gives the same bytes."""
    rows = [_row(example, messages) for example, messages in examples]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), sink, compression="zstd", version="2.6")
    return sink.getvalue()


def _row(example: Example, messages: Sequence[Message]) -> dict[str, object]:
    said = [diagnostic.model_dump(mode="json") for diagnostic in example.diagnostics]
    return {
        "id": example.id,
        "workspace": example.workspace,
        "author": example.author,
        "time": example.time,
        "category": example.category.value,
        "prompt": example.prompt,
        "description": example.description,
        "base": example.base,
        "target": example.target,
        "changed_lines": example.changed_lines,
        "suite": example.suite.value,
        "toolchain": example.toolchain,
        "diagnostics": json.dumps(said, sort_keys=True, ensure_ascii=False),
        "edit": example.edit.to_json(),
        "messages": [{"role": message.role, "content": message.content} for message in messages],
    }
