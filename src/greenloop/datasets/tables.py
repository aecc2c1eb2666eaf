"""Examples as Parquet: flat columns that Hugging Face ``datasets``, DuckDB and pandas read."""

import io
import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from greenloop.datasets.rule import Rendered
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Question
from greenloop.prompts.render import render_training
from greenloop.records import Example, Strategy
from greenloop.workspace.store import TreeStore

# in quotes: the stubs know the type of a field, the library at run time does not
_FIELDS: "list[pa.Field[Any]]" = [
    pa.field("id", pa.string()),
    pa.field("workspace", pa.string()),
    pa.field("author", pa.string()),
    pa.field("time", pa.float64()),
    pa.field("episode", pa.string()),
    pa.field("origin", pa.string()),
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


def rendered(store: TreeStore, example: Example, budget: int, strategy: Strategy = Strategy.EDIT_BLOCKS) -> Rendered:
    """Return an example with its system, user and assistant message, its context in at most ``budget`` tokens."""
    question = Question(tree=example.base, prompt=example.prompt, diagnostics=example.diagnostics)
    context = gather(store, question, budget=budget)
    return Rendered(example, render_training(question, context, example.edit, strategy), context.paths)


def parquet(examples: Iterable[Rendered]) -> bytes:
    """Return examples with their messages as one Parquet file; the same input gives the same bytes."""
    sink = io.BytesIO()
    table = pa.Table.from_pylist([_row(one) for one in examples], schema=SCHEMA)
    pq.write_table(table, sink, compression="zstd", version="2.6")
    return sink.getvalue()


def _row(one: Rendered) -> dict[str, object]:
    example = one.example
    said = [diagnostic.model_dump(mode="json") for diagnostic in example.diagnostics]
    return {
        "id": example.id,
        "workspace": example.workspace,
        "author": example.author,
        "time": example.time,
        "episode": example.episode,
        "origin": example.origin.value,
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
        "messages": [{"role": message.role, "content": message.content} for message in one.messages],
    }
