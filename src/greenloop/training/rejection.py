"""Rejection sampling: a model answers the training tasks, verdicts choose, and the clean fixes are learnt.

RUN/samples/        every sample and what it is worth, in the files of ``greenloop eval``: a line a task, appended as it
                    is judged, so that a run that was stopped goes on after the last
RUN/chosen.jsonl    the fixes that are learnt, as conversations
and what ``run_folder`` says of supervised fine-tuning.

Expert iteration (Anthony et al., 2017) with the compiler as the expert: rejection-sampling fine-tuning of Yuan et al.,
2023 (arXiv 2308.01825) and RAFT (arXiv 2304.06767).
"""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from greenloop.candidates.sampling import Sampling
from greenloop.evals.results import ResultsFolder
from greenloop.evals.run import run as ask_all
from greenloop.models.seam import Model
from greenloop.records import InputError, RunCard
from greenloop.storage import named_io_errors, write_atomically
from greenloop.training.bench import Bench, Exercises, exercises
from greenloop.training.chosen import choose
from greenloop.training.conversations import Conversation, conversations, read_conversations
from greenloop.training.ground import Ground, Tell, begin, stand
from greenloop.training.journal import Progress
from greenloop.training.recipe import RejectionRecipe
from greenloop.training.run_folder import RunFolder
from greenloop.training.sampler import open_run
from greenloop.training.sft import learn, lessons

OpenModel = Callable[[str], Model]
"""Opens a model by its name (``models.registry.open_model``)."""
OpenBench = Callable[[Path], Bench]
"""Opens the judge of the tasks of a dataset folder, whose trees its store then holds."""


def train(
    recipe: RejectionRecipe,
    out: Path,
    bases: Path,
    *,
    bench: OpenBench,
    models: OpenModel,
    resume: bool = False,
    sampled: Progress,
    progress: Progress,
    tell: Tell,
) -> RunCard | None:
    """Sample, choose and train as ``recipe`` says; return the run's card (see ``sft.train``).

    ``sampled`` tells of tasks, ``progress`` of training steps. Raises as ``sft.train``, and as ``evals.run.run`` for
    what keeps tasks from being judged; with ``resume`` no sample is drawn twice.
    """
    run = RunFolder(out)
    ground = stand(recipe, bases, tell)
    recipe = ground.recipe
    asked = exercises(
        ground.dataset,
        recipe.data,
        recipe.prompt,
        max_changed_lines=recipe.verdicts.max_changed_lines,
        max_tasks=recipe.sampling.max_tasks,
    )
    people = conversations(ground.dataset, recipe.data, recipe.prompt)
    checkpoint = begin(ground, run, resume=resume)
    file = out / "chosen.jsonl"
    with ground.state.main_process_first():
        if ground.first and not file.is_file():
            found = _sample(ground, asked, bench(Path(recipe.data.dataset)), models, bases, out / "samples", sampled)
            write_atomically(file, "".join(map(_line, found)).encode())
    own = read_conversations(file)
    tell(f"{len(people)} of people's edits and {len(own)} of the model's own are learnt")
    return learn(lessons(ground, "rejection", (*people, *own)), run, checkpoint, progress)


def _sample(
    ground: Ground[RejectionRecipe],
    asked: Exercises,
    bench: Bench,
    models: OpenModel,
    bases: Path,
    folder: Path,
    progress: Progress,
) -> tuple[Conversation, ...]:
    how = ground.recipe.sampling
    with named_io_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="greenloop-sampler-") as scratch:
        opened = models(how.model) if how.model else open_run(ground.recipe, Path(how.run), bases, Path(scratch))
        with opened as model:
            report = ask_all(
                asked.tasks,
                model,
                bench.judge,
                bench.store,
                sampling=Sampling(1, how.n, how.temperature, how.max_tokens, how.seed),
                k=how.n,
                asking=asked.asking,
                out_dir=folder,
                dataset=ground.recipe.data.version,
                part=ground.recipe.data.part,
                protected=bench.protected,
                own_fixes=asked.answers,
                behaviours=bench.behaviours,
                progress=lambda done, of, _fixed: progress(done, of),
            )
    if report.unjudged:
        ground.tell(f"{len(report.unjudged)} tasks could not be judged and are left out: a fault of the machine")
    found = choose(bench, asked, ResultsFolder(folder).read(), how)
    ground.tell(found.told())
    if not found.conversations:
        raise InputError(
            f"{folder}: no sample is a clean fix that people did not make, so there is nothing to learn",
            "sample a model that was trained on edits first, or more often ([sampling] n)",
        )
    return found.conversations


def _line(turns: Conversation) -> str:
    said = [{"role": one.role, "content": one.content} for one in turns]
    return json.dumps({"messages": said}, ensure_ascii=False) + "\n"
