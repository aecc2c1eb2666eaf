"""Supervised fine-tuning: a recipe in, a run folder out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Generic, Literal

import transformers
from trl import SFTConfig

from greenloop.records import RunCard
from greenloop.storage import write_atomically
from greenloop.training.conversations import Conversation, conversations, of_part
from greenloop.training.curves import curve_svg
from greenloop.training.ground import Ground, Tell, Told, begin, first_card, put_weights, settings, stand, trainable
from greenloop.training.journal import Journal, Progress
from greenloop.training.packing import packed
from greenloop.training.recipe import Recipe, SftRecipe
from greenloop.training.run_folder import RunFolder
from greenloop.training.tokens import Encoded, encode, lengths
from greenloop.training.trainer import LOGGED, EditTrainer


@dataclass(frozen=True, slots=True)
class Lessons(Generic[Told]):
    """All that stands before a weight is touched."""

    ground: Ground[Told]
    train: Encoded
    heldout: Encoded | None
    card: RunCard


def train(
    recipe: SftRecipe, out: Path, bases: Path, *, resume: bool = False, progress: Progress, tell: Tell
) -> RunCard | None:
    """Train as ``recipe`` says and return the run's card; everything lies in ``out`` (see ``run_folder``).

    Of several processes, as `accelerate launch` starts them, the first returns the card and the others None.

    ``bases`` is where bases made of GGUF files are kept. Raises ``InputError`` for a recipe, data or a base that will
    not do, or when the loss is no number; ``EnvironmentFault`` when the disk refuses. A run that ended early goes on
    with ``resume`` and makes the same losses as if it had not.
    """
    run = RunFolder(out)
    ground = stand(recipe, bases, tell)
    found = lessons(ground, "sft", conversations(ground.dataset, recipe.data, recipe.prompt))
    checkpoint = begin(ground, run, resume=resume)
    return learn(found, run, checkpoint, progress)


def lessons(ground: Ground[Told], kind: Literal["sft", "rejection"], turns: Sequence[Conversation]) -> Lessons[Told]:
    """Return ``turns`` as token ids with the card of the run that learns from them. Raises ``InputError``."""
    window = ground.recipe.prompt.window_tokens
    train = encode(ground.tokenizer, turns, window)
    for reason, count in train.dropped.items():
        ground.tell(f"{count} of {len(turns)} examples dropped: {reason} of {window} tokens")
    tokens, labelled = lengths(train.examples)
    ground.tell(f"{len(train.examples)} examples, {tokens} tokens, {labelled} of them in replies")
    card = first_card(ground, kind, train.sha256, examples=len(train.examples), dropped=train.dropped)
    return Lessons(ground, train, _heldout(ground), card)


def learn(found: Lessons[Told], run: RunFolder, checkpoint: Path | None, progress: Progress) -> RunCard | None:
    """Train in a folder that was begun; see ``train``."""
    if found.ground.first:
        run.claim(found.card)
    trainer = _trainer(found, run, progress)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint is not None else None)
    return _finish(found, run, trainer)


def _heldout(ground: Ground[Told]) -> Encoded | None:
    recipe, dataset = ground.recipe, ground.dataset
    part = recipe.evaluation.part
    if dataset is None or not part or not dataset.examples(part):
        return None
    turns = list(islice(of_part(dataset, part, recipe.prompt), recipe.evaluation.max_examples))
    return encode(ground.tokenizer, turns, recipe.prompt.window_tokens)


def _trainer(found: Lessons[Told], run: RunFolder, progress: Progress) -> EditTrainer:
    ground = found.ground
    model = trainable(ground)
    # with a cache of keys and values, packed examples would see each other (see `packing`)
    model.config.use_cache = False
    window = ground.recipe.prompt.window_tokens
    trainer = EditTrainer(
        model=model,
        args=_settings(ground.recipe, run, heldout=found.heldout is not None),
        train_dataset=packed(found.train.examples, window),
        eval_dataset=packed(found.heldout.examples, window) if found.heldout is not None else None,
        processing_class=ground.tokenizer,
        callbacks=[Journal(run, progress, LOGGED)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _settings(recipe: Recipe, run: RunFolder, *, heldout: bool) -> SFTConfig:
    how = recipe.optimisation
    measured = heldout and recipe.evaluation.every_steps > 0
    return SFTConfig(
        **settings(recipe, run),
        per_device_train_batch_size=how.batch,
        per_device_eval_batch_size=how.batch,
        gradient_accumulation_steps=how.accumulation,
        num_train_epochs=how.epochs,
        max_steps=how.max_steps or -1,
        activation_checkpointing=recipe.machine.gradient_checkpointing,
        eval_strategy="steps" if measured else "no",
        eval_steps=recipe.evaluation.every_steps if measured else None,
        include_num_input_tokens_seen="all",
        # rows come packed and labelled (`packing`, `tokens`); TRL's part is the collator, the loss and the loop
        dataset_kwargs={"skip_prepare_dataset": True},
        packing=True,
        packing_strategy="bfd",
        max_length=recipe.prompt.window_tokens,
    )


def _finish(found: Lessons[Told], run: RunFolder, trainer: EditTrainer) -> RunCard | None:
    heldout = trainer.evaluate()["eval_loss"] if found.heldout is not None else None
    if not trainer.is_world_process_zero():
        return None
    files = put_weights(found.ground, run, trainer.model)
    entries = run.entries()
    losses = [(entry["step"], entry["loss"]) for entry in entries if "loss" in entry]
    held = [(entry["step"], entry["eval_loss"]) for entry in entries if "eval_loss" in entry]
    title = f"{found.ground.recipe.name}: loss on replies"
    write_atomically(run.path / "loss.svg", curve_svg(title, "nats a token", losses, held))
    card = found.card.model_copy(
        update={
            "steps": int(trainer.state.global_step),
            "tokens": int(trainer.state.num_input_tokens_seen),
            "first_loss": losses[0][1],
            "last_loss": losses[-1][1],
            "heldout_loss": heldout,
            "files": files,
            "status": "finished",
        }
    )
    run.write_card(card)
    return card
