"""Which of a model's own samples are worth learning: clean fixes, few of each task, most where it is unsure.

A task that some samples solve and others do not is where there is something to learn (as with the round trip of
mining): so it gives ``per_task`` different fixes, one that every sample solves fewer, one that none solves nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from greenloop.candidates.attempt import Attempt
from greenloop.candidates.ranking import distinct, ranked
from greenloop.evals.results import Marks, TaskResult
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Question
from greenloop.prompts.render import render_training
from greenloop.records import Task, TreeId
from greenloop.training.bench import Bench, Exercises
from greenloop.training.conversations import Conversation
from greenloop.training.verdict_sections import SamplingSection


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is learnt of the samples, and how many there were.

    ``sometimes`` and ``always`` count the tasks that some and that all samples solved.
    """

    conversations: tuple[Conversation, ...]
    tasks: int
    samples: int
    clean: int
    sometimes: int
    always: int

    def told(self) -> str:
        """Return it as a line for people."""
        return (
            f"{self.clean} of {self.samples} samples are clean fixes; of {self.tasks} tasks {self.always} were always "
            f"solved, {self.sometimes} sometimes; {len(self.conversations)} different fixes are learnt"
        )


def is_clean(attempt: Attempt, marks: Marks) -> bool:
    """Whether a sample is an honest fix: matched literally, without a flag, and not told to behave otherwise."""
    return attempt.fixed and attempt.exact and not attempt.flags and marks.same is not False


def choose(bench: Bench, asked: Exercises, results: Mapping[str, TaskResult], how: SamplingSection) -> Chosen:
    """Return what to learn from ``results`` (task id → result); prompts are rendered as they were when it was asked.

    A fix that is the person's own is left out: that is learnt already. Raises ``InfrastructureError``.
    """
    conversations: list[Conversation] = []
    tasks = samples = clean = sometimes = always = 0
    for task in asked.tasks:
        result = results.get(task.id)
        if result is None or not result.red:
            continue
        pairs = zip(result.attempts, result.marks, strict=True)
        good = [attempt for attempt, marks in pairs if is_clean(attempt, marks)]
        tasks, samples, clean = tasks + 1, samples + len(result.attempts), clean + len(good)
        every = len(good) == len(result.attempts)
        always += every
        sometimes += bool(good) and not every
        most = how.per_solved_task if every else how.per_task
        conversations += _learnt(bench, asked, task, result.target, good, most)
    return Chosen(tuple(conversations), tasks, samples, clean, sometimes, always)


def _learnt(
    bench: Bench, asked: Exercises, task: Task, own: TreeId | None, good: Sequence[Attempt], most: int
) -> Iterator[Conversation]:
    best = [one for one in ranked(distinct(good)) if one.result != own][:most]
    if not best:
        return
    question = Question(task.base, task.prompt, bench.judge.judge(task.base, task.suite).diagnostics)
    context = gather(bench.store, question, budget=asked.asking.budget_tokens)
    for attempt in best:
        assert attempt.edit is not None, "an attempt that was judged has an edit"
        yield render_training(question, context, attempt.edit, asked.asking.strategy)
