"""The tasks of a run as prompts, and which of them each step asks: a pure function of the recipe."""

import random
from dataclasses import dataclass
from typing import Any

from greenloop.models.seam import Message
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Context, Question
from greenloop.prompts.render import render
from greenloop.records import InputError, Suite, Task, TreeId, Verdict
from greenloop.training.bench import Bench, Exercises
from greenloop.training.tokens import Encoder


@dataclass(frozen=True, slots=True)
class Asked:
    """One task, rendered: ``ids`` are what serving evaluates. ``before`` is the verdict on its base."""

    task: Task
    before: Verdict
    context: Context
    messages: tuple[Message, ...]
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Questions:
    """All tasks that can be asked, and how many cannot, by reason."""

    asked: tuple[Asked, ...]
    dropped: dict[str, int]

    def of_step(self, step: int, groups: int, seed: int) -> tuple[int, ...]:
        """Return the places of the tasks of ``step`` (from 0): each comes once before any comes again."""
        found = []
        for number in range(step * groups, (step + 1) * groups):
            around, place = divmod(number, len(self.asked))
            order = list(range(len(self.asked)))
            random.Random(f"{seed}:{around}").shuffle(order)  # noqa: S311 - an order, no secret
            found.append(order[place])
        return tuple(found)


def questions(tokenizer: Any, bench: Bench, exercises: Exercises, *, room: int) -> Questions:
    """Render every task. Those are dropped that are not red here, or whose prompt leaves no ``room`` tokens for it.

    Raises ``InputError`` when none is left, ``InfrastructureError`` when a base cannot be judged.
    """
    encoder = Encoder(tokenizer)
    verdicts: dict[tuple[TreeId, Suite], Verdict] = {}
    for suite in dict.fromkeys(task.suite for task in exercises.tasks):
        trees = [task.base for task in exercises.tasks if task.suite is suite]
        verdicts |= {(tree, suite): verdict for tree, verdict in bench.judge.judge_many(trees, suite).items()}
    found: list[Asked] = []
    dropped = {"not red under this toolchain": 0, "longer than the window": 0}
    for task in exercises.tasks:
        before = verdicts[task.base, task.suite]
        if not before.errors:
            dropped["not red under this toolchain"] += 1
            continue
        question = Question(task.base, task.prompt, before.diagnostics)
        context = gather(bench.store, question, budget=exercises.asking.budget_tokens)
        messages = render(question, context, exercises.asking.strategy)
        ids = tuple(encoder.prompt(messages))
        if len(ids) > room:
            dropped["longer than the window"] += 1
            continue
        found.append(Asked(task, before, context, messages, ids))
    if not found:
        told = ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count)
        raise InputError(f"no task is left to ask: {told}", "raise [prompt] window_tokens, or choose another part")
    return Questions(tuple(found), {reason: count for reason, count in dropped.items() if count})
