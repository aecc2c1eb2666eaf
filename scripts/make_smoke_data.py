"""Writes ``recipes/smoke.jsonl``: a few made-up type errors with their fixes, for the recipe that tests train.

They are rendered by the code that renders every prompt; a test holds the file to it.
"""

import json
from pathlib import Path

from greenloop.prompts.question import Context, Piece, Question, ShownError
from greenloop.prompts.render import render_training
from greenloop.records import Block, Category, Diagnostic, Edit, ReplaceBlocks, Severity, Span

TARGET = Path(__file__).resolve().parent.parent / "recipes" / "smoke.jsonl"
_NAMES = ("total", "width", "count", "price", "score", "depth", "weight", "length")
_ERROR = "This expression has type string but an expression was expected of type int"


def smoke_lines() -> str:
    """Return the file's text: a conversation for each name and number."""
    return "".join(
        json.dumps({"messages": _conversation(name, number)}, ensure_ascii=False) + "\n"
        for name in _NAMES
        for number in (1, 20, 345)
    )


def _conversation(name: str, number: int) -> list[dict[str, str]]:
    wrong, right = f'let {name} x = x + "{number}"\n', f"let {name} x = x + {number}\n"
    path = f"{name}.ml"
    error = Diagnostic(
        severity=Severity.ERROR,
        category=Category.TYPE,
        message=_ERROR,
        path=path,
        span=Span(line=1, column=0, end_line=1, end_column=1),
    )
    question = Question(tree="0" * 40, prompt="fix that error", diagnostics=(error,))
    context = Context(
        pieces=(Piece(path, 1, wrong, 1),),
        errors=(ShownError(error, f'File "{path}", line 1:\n1 | {wrong}Error: {_ERROR}'),),
        tokens=0,
        tree_paths=frozenset({path}),
    )
    edit = Edit(files=(ReplaceBlocks(path=path, blocks=(Block(search=wrong, replace=right),)),))
    return [{"role": said.role, "content": said.content} for said in render_training(question, context, edit)]


if __name__ == "__main__":
    TARGET.write_text(smoke_lines())
