"""Supervised fine-tuning: a recipe in, a run folder out."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate import PartialState
from trl import SFTConfig

import datasets
import greenloop
from greenloop.datasets.load import Dataset
from greenloop.records import Asking, InputError, RunCard
from greenloop.storage import write_atomically
from greenloop.training import segments
from greenloop.training.adapters import new_adapter, parent_adapter, save_adapter
from greenloop.training.base_model import Base, context_tokens, find_base, load_model, load_tokenizer
from greenloop.training.conversations import asked, conversations, of_part, open_dataset
from greenloop.training.curves import curve_svg
from greenloop.training.packing import packed
from greenloop.training.recipe import SftRecipe
from greenloop.training.run_folder import RunFolder
from greenloop.training.tokens import Encoded, encode, lengths
from greenloop.training.trainer import EditTrainer, Journal, Progress

PACKAGES = ("accelerate", "datasets", "numpy", "peft", "safetensors", "tokenizers", "torch", "transformers", "trl")
Tell = Callable[[str], None]
"""Takes one line for people."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """All that stands before a weight is touched."""

    recipe: SftRecipe
    base: Base
    tokenizer: Any
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
    # rich tells progress; the libraries' own bars and warnings would tear it
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    run = RunFolder(out)
    dataset = open_dataset(recipe.data)
    if dataset is not None:
        data = recipe.data.model_copy(update={"version": dataset.version})
        recipe = recipe.model_copy(update={"data": data})
    recipe = _resolved(recipe)
    # of several processes, one a device, the first alone tells, makes bases and writes
    state = PartialState(cpu=recipe.machine.device == "cpu")
    tell = tell if state.is_main_process else lambda _line: None
    with state.main_process_first():
        found = _prepare(recipe, dataset, bases, tell)
    with state.main_process_first():
        if state.is_main_process:
            checkpoint = run.begin(recipe, resume=resume)
            run.claim(found.card)
        else:
            checkpoint = run.last_checkpoint() if resume else None
    if checkpoint is not None:
        tell(f"going on from {checkpoint.name}")
    trainer = _trainer(found, run, progress)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint is not None else None)
    return _finish(found, run, trainer)


def _resolved(recipe: SftRecipe) -> SftRecipe:
    """Return the recipe with `auto` replaced, so that a run says what it was made in, and goes on in it."""
    found = {}
    on_gpu = recipe.machine.device == "auto" and torch.cuda.is_available()
    if recipe.machine.precision == "auto":
        fast = torch.cuda.is_bf16_supported() if on_gpu else torch.ops.mkldnn._is_mkldnn_bf16_supported()
        found["precision"] = "bf16" if fast else "fp32"
    if recipe.machine.attention == "auto":
        found["attention"] = "sdpa" if on_gpu else segments.NAME
    return recipe.model_copy(update={"machine": recipe.machine.model_copy(update=found)})


def _prepare(recipe: SftRecipe, dataset: Dataset | None, bases: Path, tell: Tell) -> _Prepared:
    turns = conversations(dataset, recipe.data, recipe.prompt)
    base = find_base(recipe.base.model, bases, tell)
    tokenizer = load_tokenizer(base)
    window = recipe.prompt.window_tokens
    if window > (most := context_tokens(base)) > 0:
        raise InputError(
            f"a window of {window} tokens is more than the {most} that {base.name} was made for",
            "lower [prompt] window_tokens",
        )
    train = encode(tokenizer, turns, window)
    for reason, count in train.dropped.items():
        tell(f"{count} of {len(turns)} examples dropped: {reason} of {window} tokens")
    tokens, labelled = lengths(train.examples)
    tell(f"{len(train.examples)} examples, {tokens} tokens, {labelled} of them in replies")
    heldout = _heldout(recipe, dataset, tokenizer)
    card = _card(recipe, base, tokenizer, train, asked(dataset, recipe.prompt) if dataset is not None else None)
    return _Prepared(recipe, base, tokenizer, train, heldout, card)


def _heldout(recipe: SftRecipe, dataset: Dataset | None, tokenizer: Any) -> Encoded | None:
    part = recipe.evaluation.part
    if dataset is None or not part or not dataset.examples(part):
        return None
    turns = list(islice(of_part(dataset, part, recipe.prompt), recipe.evaluation.max_examples))
    return encode(tokenizer, turns, recipe.prompt.window_tokens)


def _card(recipe: SftRecipe, base: Base, tokenizer: Any, train: Encoded, asking: Asking | None) -> RunCard:
    parent = RunFolder(Path(recipe.base.run)).read_card() if recipe.base.run else None
    described = " ".join([recipe.sha256, base.sha256, train.sha256, parent.id if parent else ""])
    return RunCard(
        id=hashlib.sha256(described.encode()).hexdigest()[:16],
        kind="sft",
        name=recipe.name,
        greenloop=greenloop.__version__,
        base=base.card(tokenizer),
        parent=parent.id if parent else None,
        dataset=recipe.data.version,
        data_sha256=train.sha256,
        recipe_sha256=recipe.sha256,
        seeds=recipe.seeds.model_dump(),
        packages={name: version(name) for name in PACKAGES},
        asking=asking,
        examples=len(train.examples),
        dropped=train.dropped,
        status="stopped",
    )


def _trainer(found: _Prepared, run: RunFolder, progress: Progress) -> EditTrainer:
    recipe, machine = found.recipe, found.recipe.machine
    full = recipe.optimisation.method == "full"
    if machine.threads:
        torch.set_num_threads(machine.threads)
    transformers.set_seed(recipe.seeds.seed)
    # small updates of a bf16 weight are lost, so weights that are trained are fp32
    dtype = torch.float32 if full or machine.precision == "fp32" else torch.bfloat16
    model = load_model(found.base, dtype=dtype, attention=machine.attention)
    # with a cache of keys and values, packed examples would see each other (see `packing`)
    model.config.use_cache = False
    if not full:
        if recipe.base.run:
            model = parent_adapter(model, RunFolder(Path(recipe.base.run)), found.card.base)
        else:
            model = new_adapter(model, recipe.lora)
    window = recipe.prompt.window_tokens
    trainer = EditTrainer(
        model=model,
        args=_settings(recipe, run, heldout=found.heldout is not None),
        train_dataset=packed(found.train.examples, window),
        eval_dataset=packed(found.heldout.examples, window) if found.heldout is not None else None,
        processing_class=found.tokenizer,
        callbacks=[Journal(run, progress)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _settings(recipe: SftRecipe, run: RunFolder, *, heldout: bool) -> SFTConfig:
    how, machine = recipe.optimisation, recipe.machine
    measured = heldout and recipe.evaluation.every_steps > 0
    return SFTConfig(
        output_dir=str(run.checkpoints),
        per_device_train_batch_size=how.batch,
        per_device_eval_batch_size=how.batch,
        gradient_accumulation_steps=how.accumulation,
        learning_rate=how.learning_rate,
        lr_scheduler_type=how.schedule,
        warmup_steps=how.warmup_steps,
        weight_decay=how.weight_decay,
        max_grad_norm=how.max_grad_norm,
        num_train_epochs=how.epochs,
        max_steps=how.max_steps or -1,
        optim="adamw_torch",
        bf16=how.method == "full" and machine.precision == "bf16",
        use_cpu=machine.device == "cpu",
        activation_checkpointing=machine.gradient_checkpointing,
        seed=recipe.seeds.seed,
        data_seed=recipe.seeds.data,
        save_strategy="steps",
        save_steps=recipe.checkpoints.every_steps,
        save_total_limit=recipe.checkpoints.keep,
        eval_strategy="steps" if measured else "no",
        eval_steps=recipe.evaluation.every_steps if measured else None,
        logging_steps=1,
        # a loss that is no number ends the run; it is never replaced by the mean of others
        logging_nan_inf_filter=False,
        include_num_input_tokens_seen="all",
        report_to="none",
        disable_tqdm=True,
        trust_remote_code=False,
        # rows come packed and labelled (`packing`, `tokens`); TRL's part is the collator, the loss and the loop
        dataset_kwargs={"skip_prepare_dataset": True},
        packing=True,
        packing_strategy="bfd",
        max_length=recipe.prompt.window_tokens,
    )


def _finish(found: _Prepared, run: RunFolder, trainer: EditTrainer) -> RunCard | None:
    heldout = trainer.evaluate()["eval_loss"] if found.heldout is not None else None
    if not trainer.is_world_process_zero():
        return None
    full = found.recipe.optimisation.method == "full"
    if full:
        files = run.put("model", trainer.model.save_pretrained)
    else:
        files = run.put("adapter", lambda folder: save_adapter(trainer.model, folder, found.card.base))
    files |= run.put("tokenizer", found.tokenizer.save_pretrained)
    entries = run.entries()
    losses = [(entry["step"], entry["loss"]) for entry in entries if "loss" in entry]
    held = [(entry["step"], entry["eval_loss"]) for entry in entries if "eval_loss" in entry]
    title = f"{found.recipe.name}: loss on replies"
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
