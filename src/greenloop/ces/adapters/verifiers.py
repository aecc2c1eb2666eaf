"""A taskset for ``verifiers.v1`` (verifiers 0.4). A package of yours names the service:

class MyTask(EditingTask):
    service = AsyncClient(...)
    policy = staticmethod(my_policy)

class MyTaskset(EditingTaskset):
    task = MyTask

__all__ = ["MyTaskset"]
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import verifiers.v1 as vf

from greenloop.ces.adapters.task import EditTask, Evaluates, judge, worth
from greenloop.ces.policy import reward
from greenloop.records import Evaluation, InputError, RecordError
from greenloop.storage import named_io_errors


class EditingData(vf.TaskData):  # type: ignore[misc]  # the package is not where mypy runs
    """A row: its prompt is all that a model sees of it."""

    edit_task: str
    """The ``EditTask`` as JSON. It is kept in the traces, hidden tests and all: traces are no training texts."""


class EditingTask(vf.Task[EditingData]):  # type: ignore[misc]
    """Scores the model's last reply as an edit of the task's base."""

    service: ClassVar[Evaluates]

    def policy(self, evaluation: Evaluation) -> float | None:
        """Return what an evaluation is worth; overridden by whoever disagrees."""
        return reward(evaluation)

    @vf.reward  # type: ignore[untyped-decorator]
    async def ces(self, trace: vf.Trace) -> float:
        """Return the policy's worth of the evaluation, and keep what was found in ``trace.info["ces"]``.

        Raises ``vf.SandboxError`` when there is no verdict: the rollout then ends in an error, not in a reward.
        """
        evaluation = await judge(self.service, EditTask.read(self.data.edit_task), trace.last_reply)
        score = worth(evaluation, self.policy)
        if score is None:
            raise vf.SandboxError(f"no verdict: {evaluation.note or evaluation.status.value}")
        trace.info["ces"] = {"id": evaluation.id, "status": evaluation.status.value, "reason": evaluation.reason}
        trace.record_metric("ces_green", float(evaluation.green))
        return score


class EditingConfig(vf.TasksetConfig):  # type: ignore[misc]
    """Where the rows are."""

    path: Path = Path("tasks.jsonl")
    """A file of one JSON object a line: ``prompt``, ``edit_task`` and any other field of ``vf.TaskData``."""


class EditingTaskset(vf.Taskset[EditingTask, EditingConfig]):  # type: ignore[misc]
    """The rows of ``config.path``, as tasks of the class ``task``."""

    task: ClassVar[type[EditingTask]]

    @classmethod
    def task_type(cls) -> type[EditingTask]:
        """Return the class of the tasks, for verifiers, which otherwise reads it from type parameters."""
        return cls.task

    def load(self) -> Iterator[EditingTask]:
        """Yield the tasks. Raises ``InputError`` when a row's task cannot be read."""
        with named_io_errors(self.config.path), self.config.path.open(encoding="utf-8") as rows:
            for number, row in enumerate(rows, start=1):
                try:
                    data = EditingData.model_validate_json(row)
                    EditTask.read(data.edit_task)
                except (ValueError, RecordError) as error:
                    raise InputError(f"{self.config.path}:{number}: not a task: {error}") from error
                yield self.task(data, self.config.task)
