"""What training is judged by, and the tasks that it is judged on: the same as in evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass

from greenloop.builds.behaviour_store import Behaviours
from greenloop.builds.judge import Judge
from greenloop.builds.protect import DEFAULT_GLOBS
from greenloop.datasets.load import Dataset, tasks
from greenloop.datasets.shares import in_order
from greenloop.evals.measures import OwnFix
from greenloop.records import Asking, InputError, Task
from greenloop.training.conversations import asked
from greenloop.training.sections import DataSection, PromptSection
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True, slots=True)
class Bench:
    """Who judges. ``store`` holds the trees of the tasks and takes those that edits lead to.

    Without ``behaviours`` no program is run, and no task has a *same*.
    """

    store: TreeStore
    judge: Judge
    behaviours: Behaviours | None = None
    protected: tuple[str, ...] = DEFAULT_GLOBS


@dataclass(frozen=True, slots=True)
class Exercises:
    """Tasks of a dataset, and task id → what the person did."""

    tasks: tuple[Task, ...]
    answers: Mapping[str, OwnFix]
    asking: Asking
    """How they are rendered."""


def exercises(
    dataset: Dataset | None, data: DataSection, prompt: PromptSection, *, max_changed_lines: int, max_tasks: int
) -> Exercises:
    """Return the tasks of the recipe's part; of more than ``max_tasks`` (if not 0) those with the lowest SHA-256.

    Raises ``InputError`` when there is no dataset or no task in it.
    """
    if dataset is None:
        raise InputError("the recipe names no dataset, and only one holds tasks to judge", "give --dataset FOLDER")
    examples = [one for one in dataset.examples(data.part) if data.takes(one)]
    by_id = {task.id: task for task in tasks(examples, max_changed_lines)}
    chosen = tuple(by_id[id_] for id_ in in_order(by_id)[: max_tasks or None])
    if not chosen:
        raise InputError(
            f"{dataset.folder}: the part {data.part} holds no task to learn from",
            "mine more, choose another part, or raise max_changed_lines of [data] or [verdicts]",
        )
    answers = {one.id: OwnFix.of(one) for one in examples}
    return Exercises(chosen, answers, asked(dataset, prompt))
