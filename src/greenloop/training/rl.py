"""Reinforcement learning from verdicts: a recipe in, a run folder out.

Beside what supervised fine-tuning writes: ``reward.svg``, ``measures.svg`` (what the reward sees beside what it does
not), ``watch.svg`` (signs of gaming), ``length.svg``.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from trl import GRPOConfig

import datasets
from greenloop.records import InputError, RunCard
from greenloop.storage import write_atomically
from greenloop.training import rollouts
from greenloop.training.bench import Bench, Exercises, exercises
from greenloop.training.curves import curve_svg, curves_svg
from greenloop.training.engines import Vllm, open_generator
from greenloop.training.ground import Ground, Tell, begin, first_card, put_weights, settings, stand, trainable
from greenloop.training.grpo import LOGGED, VerdictTrainer
from greenloop.training.journal import Journal, Progress
from greenloop.training.judging import Judging
from greenloop.training.pipeline import Pipeline
from greenloop.training.questions import Questions, questions
from greenloop.training.recipe import RlRecipe
from greenloop.training.run_folder import RunFolder
from greenloop.training.watch import WATCHED

_MEASURES = ("fixed", "fixed_whole", "same", "exact", "types", "parses")
_SIGNS = ("unchanged", "stubs", "deletions", "shrinking", "cut_off", "dropped", "unjudged")


@dataclass(frozen=True, slots=True)
class _Course:
    """All that stands before a weight is touched."""

    ground: Ground[RlRecipe]
    exercises: Exercises
    questions: Questions
    card: RunCard
    steps: int


def train(
    recipe: RlRecipe,
    out: Path,
    bases: Path,
    *,
    bench: Callable[[Path], Bench],
    resume: bool = False,
    progress: Progress,
    tell: Tell,
) -> RunCard:
    """Train as ``recipe`` says and return the run's card; everything lies in ``out``.

    ``bench`` opens the judge of a dataset folder. Raises as ``sft.train``; ``EnvironmentFault`` also when the judge is
    not to be had or answers nonsense. What is done is kept, and a run that ended early goes on with ``resume`` and
    makes the same rewards as if it had not.
    """
    run = RunFolder(out)
    if recipe.machine.attention == "segments":
        raise InputError(
            '[machine] attention = "segments" is for packed rows, which reinforcement learning has not', 'take "sdpa"'
        )
    # generation has a cache, which attention by segments cannot take
    ground = stand(recipe, bases, tell, on_cpu="sdpa")
    if ground.state.num_processes > 1:
        raise InputError(
            "reinforcement learning runs in one process here",
            "start it without `accelerate launch`; see docs/training.md",
        )
    found = exercises(
        ground.dataset,
        recipe.data,
        recipe.prompt,
        max_changed_lines=recipe.verdicts.max_changed_lines,
        max_tasks=recipe.generation.max_tasks,
    )
    judged_by = bench(Path(recipe.data.dataset))
    course = _course(ground, judged_by, found)
    checkpoint = begin(ground, run, resume=resume)
    run.claim(course.card)
    with ExitStack() as stack:
        trainer = _trainer(course, judged_by, run, checkpoint, progress, stack)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint is not None else None)
    return _finish(course, run, trainer)


def _course(ground: Ground[RlRecipe], bench: Bench, found: Exercises) -> _Course:
    recipe = ground.recipe
    how = recipe.generation
    rows = how.groups * how.group_size
    if rows % recipe.optimisation.batch:
        raise InputError(
            f"[optimisation] batch is {recipe.optimisation.batch}, which does not divide the {rows} replies of a step",
            "choose a divisor of [generation] groups * group_size; group_size itself is the fastest on a CPU",
        )
    asked = questions(ground.tokenizer, bench, found, room=recipe.prompt.window_tokens - how.max_tokens)
    for reason, count in asked.dropped.items():
        ground.tell(f"{count} of {len(found.tasks)} tasks left out: {reason}")
    steps = recipe.optimisation.max_steps or math.ceil(recipe.optimisation.epochs * len(asked.asked) / how.groups)
    ground.tell(f"{len(asked.asked)} tasks, {how.groups} a step with {how.group_size} replies each, {steps} steps")
    digest = hashlib.sha256()
    for one in asked.asked:
        digest.update(repr((one.task.id, one.ids)).encode())
    card = first_card(ground, "rl", digest.hexdigest(), examples=len(asked.asked), dropped=asked.dropped)
    return _Course(ground, found, asked, card, steps)


def _trainer(
    course: _Course, bench: Bench, run: RunFolder, checkpoint: Path | None, progress: Progress, stack: ExitStack
) -> VerdictTrainer:
    ground, recipe = course.ground, course.ground.recipe
    model = trainable(ground)
    ends = _ends(model, ground.tokenizer)
    generator = open_generator(ground, ends, stack)
    judging = stack.enter_context(
        Judging(bench, course.exercises, at_once=recipe.verdicts.at_once, max_faults=recipe.reward.max_faults)
    )
    pipeline = Pipeline(
        recipe,
        course.questions,
        generator,
        judging,
        ground.tokenizer,
        ends=ends,
        steps=course.steps,
        resumed=rollouts.load(checkpoint) if checkpoint is not None else None,
    )
    # TRL counts prompts to know when to end; what they are the pipeline says
    rows = datasets.Dataset.from_dict({"prompt": [str(n) for n in range(course.steps * recipe.generation.groups)]})
    trainer = VerdictTrainer(
        pipeline,
        ratio_cap=recipe.generation.ratio_cap,
        model=model,
        args=_settings(course, run),
        train_dataset=rows,
        processing_class=ground.tokenizer,
        callbacks=[Journal(run, progress, LOGGED)],
    )
    if isinstance(generator, Vllm):
        generator.attach(trainer)
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _ends(model: Any, tokenizer: Any) -> tuple[int, ...]:
    told = model.generation_config.eos_token_id
    several = told if isinstance(told, list) else [told]
    return tuple(dict.fromkeys(one for one in (tokenizer.eos_token_id, *several) if one is not None))


def _settings(course: _Course, run: RunFolder) -> GRPOConfig:
    recipe, how = course.ground.recipe, course.ground.recipe.generation
    batch = recipe.optimisation.batch
    return GRPOConfig(
        **settings(recipe, run),
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=how.groups * how.group_size // batch,
        num_generations=how.group_size,
        max_steps=course.steps,
        activation_checkpointing=recipe.machine.gradient_checkpointing,
        temperature=how.temperature,
        max_completion_length=how.max_tokens,
        use_vllm=how.engine == "vllm",
        vllm_mode=how.vllm_mode,
        vllm_server_base_url=how.vllm_server or None,
        # the weights of foreign replies are the trainer's own (`ratio_cap`)
        vllm_importance_sampling_correction=False,
        epsilon=recipe.policy.clip_low,
        epsilon_high=recipe.policy.clip_high,
        loss_type="dapo",
        beta=0.0,
        # the pipeline counts tokens, and draws what a step learns by its number alone
        include_num_input_tokens_seen="no",
        ignore_data_skip=True,
        shuffle_dataset=False,
        log_completions=False,
    )


def _finish(course: _Course, run: RunFolder, trainer: VerdictTrainer) -> RunCard:
    files = put_weights(course.ground, run, trainer.model)
    entries = run.entries()

    def curve(name: str) -> list[tuple[int, float]]:
        return [(entry["step"], entry[name]) for entry in entries if name in entry]

    name = course.card.name
    write_atomically(run.path / "reward.svg", curve_svg(f"{name}: reward", "mean of a batch", curve("reward")))
    for file, title, lines in (("measures", "what verdicts say", _MEASURES), ("watch", "signs of gaming", _SIGNS)):
        drawn = {one: curve(one) for one in lines}
        write_atomically(run.path / f"{file}.svg", curves_svg(f"{name}: {title}", "share of a batch", drawn))
    length = curve_svg(f"{name}: length of replies", "tokens", curve("reply_tokens"))
    write_atomically(run.path / "length.svg", length)
    waited = sum(entry.get("waited", 0.0) for entry in entries)
    share = waited / max(1e-9, sum(entry.get("seconds", 0.0) for entry in entries))
    first, last = ({one: _mean(curve(one), end) for one in WATCHED if curve(one)} for end in (0, -1))
    card = course.card.model_copy(
        update={
            "steps": int(trainer.state.global_step),
            "tokens": int(trainer.state.num_input_tokens_seen),
            "first_reward": first.get("reward"),
            "last_reward": last.get("reward"),
            "first_measures": first,
            "last_measures": last,
            "waiting_share": share,
            "files": files,
            "status": "finished",
        }
    )
    run.write_card(card)
    course.ground.tell(f"{share:.1%} of the time of steps was spent waiting for verdicts (goal: 10 % at most)")
    return card


def _mean(points: Sequence[tuple[int, float]], end: int) -> float:
    """Return the mean over the first tenth (``end`` 0) or the last tenth (-1) of the steps."""
    tenth = max(1, len(points) // 10)
    part = points[:tenth] if end == 0 else points[-tenth:]
    return sum(value for _, value in part) / len(part)
