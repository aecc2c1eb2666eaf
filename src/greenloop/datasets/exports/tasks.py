"""Tasks for evaluation and RL: the question without its answer; a build judges what a model makes of it.

A line holds ``id``, ``prompt`` (system and user message, what TRL's GRPO asks with), ``category``, ``suite``, ``base``,
``max_changed_lines``, and ``task``: an ``EditTask`` as JSON, the column that the reward functions of ``ces.adapters``
read. Nothing that only the edit has stands in a line: no target, no description, no size of the edit.
"""

import tempfile
from pathlib import Path

from greenloop.ces.adapters.task import EditTask
from greenloop.datasets.exports.seam import Asked, Format, json_lines
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Question
from greenloop.prompts.render import render
from greenloop.records import Edit, EvaluationRequest, Task
from greenloop.workspace.store import TreeStore


def _write(asked: Asked) -> bytes:
    # the dataset's own trees, so that the prompt is the one that it was built with, whatever this machine's store has
    with tempfile.TemporaryDirectory(prefix="greenloop-tasks-") as place:
        store = TreeStore(Path(place) / "trees")
        asked.dataset.add_trees(store)
        budget = asked.dataset.card.prompt_budget
        tasks = asked.dataset.tasks(asked.part, asked.max_changed_lines)
        content = json_lines(_row(store, task, budget) for task in tasks)
        store.close()
    return content


def _row(store: TreeStore, task: Task, budget: int) -> dict[str, object]:
    question = Question(tree=task.base, prompt=task.prompt, diagnostics=task.diagnostics)
    context = gather(store, question, budget=budget)
    # a request has an edit; this one is empty, and a task leaves it out
    request = EvaluationRequest(base_tree=task.base, suite=task.suite, edit=Edit(files=()))
    return {
        "id": task.id,
        "prompt": [{"role": said.role, "content": said.content} for said in render(question, context)],
        "category": task.category.value,
        "suite": task.suite.value,
        "base": task.base,
        "max_changed_lines": task.max_changed_lines,
        "task": EditTask.of(request, context).to_json(),
    }


FORMAT = Format("tasks", "JSON lines of questions whose edit is withheld, for evaluation and RL", "jsonl", _write)
