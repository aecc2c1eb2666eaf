"""Writes what the smoke recipes learn from: made-up type errors, rendered by the code that renders every prompt.

``recipes/smoke.jsonl``: conversations with one right reply each. ``recipes/smoke-choices.jsonl``: the tasks of
``recipes/smoke-dataset``, each with four replies of which one is right, so that a model which has learnt them all alike
has something left to learn from verdicts. Tests hold the files to this script.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from greenloop.datasets.build import Choice, build
from greenloop.mining.example import example_id
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Context, Piece, Question, ShownError
from greenloop.prompts.render import render_training
from greenloop.records import Block, Category, Diagnostic, Edit, Example, ReplaceBlocks, Severity, Span, Suite
from greenloop.workspace.edits import edit_between
from greenloop.workspace.store import Entry, Mode, TreeStore

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
_NAMES = ("total", "width", "count", "price", "score", "depth", "weight", "length")
_ERROR = "This expression has type string but an expression was expected of type int"
# as the compiler breaks it and the toolchain indents it
_TOLD = "This expression has type string but an expression was expected of type\n  int"
_TASKS = (("total", "1"), ("width", "20"), ("count", "345"), ("price", "7"), ("score", "12"), ("depth", "9"))
"""Name and number of each task; an author each, of whom the last two in the order of the split are held out."""


def smoke_lines() -> str:
    """Return the text of ``smoke.jsonl``: a conversation for each name and number."""
    return "".join(
        json.dumps({"messages": _conversation(name, number)}, ensure_ascii=False) + "\n"
        for name in _NAMES
        for number in (1, 20, 345)
    )


def choice_lines() -> str:
    """Return the text of ``smoke-choices.jsonl``: to each task its fix, another program, a stub and a copy."""
    with tempfile.TemporaryDirectory() as place:
        store = TreeStore(Path(place) / "trees")
        lines = []
        for name, number in _TASKS:
            example = _example(store, name, number)
            question = Question(example.base, example.prompt, example.diagnostics)
            context = gather(store, question, budget=400)
            for reply in _replies(name, number):
                turns = render_training(question, context, reply)
                said = [{"role": one.role, "content": one.content} for one in turns]
                lines.append(json.dumps({"messages": said}, ensure_ascii=False) + "\n")
        store.close()
    return "".join(lines)


def smoke_dataset(folder: Path) -> None:
    """Build the dataset of the tasks in ``folder``."""
    with tempfile.TemporaryDirectory() as place:
        store = TreeStore(Path(place) / "trees")
        examples = [_example(store, name, number) for name, number in _TASKS]
        # they are alike on purpose
        build(examples, store, folder, name="Greenloop's smoke tasks", choice=Choice(near=0.99), budget=400)
        store.close()


def _conversation(name: str, number: int) -> list[dict[str, str]]:
    wrong, right = f'let {name} x = x + "{number}"\n', f"let {name} x = x + {number}\n"
    path = f"{name}.ml"
    error = _diagnostic(path, wrong, _ERROR)
    question = Question(tree="0" * 40, prompt="fix that error", diagnostics=(error,))
    context = Context(
        pieces=(Piece(path, 1, wrong, 1),),
        errors=(ShownError(error, f'File "{path}", line 1:\n1 | {wrong}Error: {_ERROR}'),),
        tokens=0,
        tree_paths=frozenset({path}),
    )
    edit = Edit(files=(ReplaceBlocks(path=path, blocks=(Block(search=wrong, replace=right),)),))
    return [{"role": said.role, "content": said.content} for said in render_training(question, context, edit)]


def _replies(name: str, number: str) -> Iterator[Edit]:
    wrong = f'let {name} x = x + "{number}"\n'
    for right in (f"x + {number}", f"x - {number}", 'failwith ""', f'x + "{number}"'):
        blocks = (Block(search=wrong, replace=f"let {name} x = {right}\n"),)
        yield Edit(files=(ReplaceBlocks(path=f"{name}.ml", blocks=blocks),))


def _example(store: TreeStore, name: str, number: str) -> Example:
    wrong = f'let {name} x = x + "{number}"\n'
    path, end = f"{name}.ml", f"let {name}_of_two = {name} 2\n"
    base, target = (
        store.write_tree({path: Entry(Mode.FILE, store.write_blob((text + end).encode()))})
        for text in (wrong, wrong.replace('"', ""))
    )
    return Example(
        id=example_id(base, target, Suite.CHECK),
        workspace=f"of {name}",
        author=name,
        time=1000.0 * len(number) + len(name),
        base=base,
        target=target,
        edit=edit_between(store, base, target),
        prompt="fix that error",
        description=f"Fix a type error in {path}.",
        diagnostics=(_diagnostic(path, wrong, _TOLD),),
        category=Category.TYPE,
        changed_lines=1,
        toolchain="0" * 64,
        suite=Suite.CHECK,
    )


def _diagnostic(path: str, wrong: str, message: str) -> Diagnostic:
    start, end = wrong.index('"'), wrong.rindex('"') + 1
    span = Span(line=1, column=start, end_line=1, end_column=end)
    return Diagnostic(severity=Severity.ERROR, category=Category.TYPE, message=message, path=path, span=span)


if __name__ == "__main__":
    (RECIPES / "smoke.jsonl").write_text(smoke_lines())
    (RECIPES / "smoke-choices.jsonl").write_text(choice_lines())
    smoke_dataset(RECIPES / "smoke-dataset")
