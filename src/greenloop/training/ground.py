"""What every kind of training stands on before its first step: data, base, tokenizer, a card, a model to train."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import torch
import transformers
from accelerate import PartialState

import datasets
import greenloop
from greenloop.datasets.load import Dataset
from greenloop.records import InputError, RunCard
from greenloop.training import segments
from greenloop.training.adapters import new_adapter, parent_adapter, save_adapter
from greenloop.training.base_model import Base, context_tokens, find_base, load_model, load_tokenizer
from greenloop.training.conversations import asked, open_dataset
from greenloop.training.parents import find_parent
from greenloop.training.recipe import Recipe
from greenloop.training.run_folder import RunFolder

PACKAGES = ("accelerate", "datasets", "numpy", "peft", "safetensors", "tokenizers", "torch", "transformers", "trl")
Tell = Callable[[str], None]
"""Takes one line for people."""
Told = TypeVar("Told", bound=Recipe)


@dataclass(frozen=True, slots=True)
class Ground(Generic[Told]):
    """A recipe with nothing left open, and what it names."""

    recipe: Told
    dataset: Dataset | None
    base: Base
    tokenizer: Any
    state: Any
    """``accelerate.PartialState``: of several processes, one a device, the first alone tells and writes."""
    tell: Tell
    parent: RunFolder | None
    """The run that training goes on from."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return bool(self.state.is_main_process)


def stand(recipe: Told, bases: Path, tell: Tell, *, on_cpu: str = segments.NAME) -> Ground[Told]:
    """Open what ``recipe`` names; ``bases`` is where bases made of GGUF files are kept.

    ``on_cpu`` is the attention that `auto` means on a CPU.

    Raises ``InputError`` when the data or the base will not do, or the window is larger than the base was made for.
    """
    # rich tells progress; the libraries' own bars and warnings would tear it
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    dataset = open_dataset(recipe.data)
    if dataset is not None:
        data = recipe.data.model_copy(update={"version": dataset.version})
        recipe = recipe.model_copy(update={"data": data})
    recipe = _resolved(recipe, on_cpu)
    state = PartialState(cpu=recipe.machine.device == "cpu")
    tell = tell if state.is_main_process else lambda _line: None
    with state.main_process_first():
        base = find_base(recipe.base.model, bases, tell)
        parent = find_parent(recipe.base.run, bases) if recipe.base.run else None
    tokenizer = load_tokenizer(base)
    window = recipe.prompt.window_tokens
    if window > (most := context_tokens(base)) > 0:
        raise InputError(
            f"a window of {window} tokens is more than the {most} that {base.name} was made for",
            "lower [prompt] window_tokens",
        )
    return Ground(recipe, dataset, base, tokenizer, state, tell, parent)


def _resolved(recipe: Told, on_cpu: str) -> Told:
    """Return the recipe with `auto` replaced, so that a run says what it was made in, and goes on in it."""
    found = {}
    on_gpu = recipe.machine.device == "auto" and torch.cuda.is_available()
    if recipe.machine.precision == "auto":
        fast = torch.cuda.is_bf16_supported() if on_gpu else torch.ops.mkldnn._is_mkldnn_bf16_supported()
        found["precision"] = "bf16" if fast else "fp32"
    if recipe.machine.attention == "auto":
        found["attention"] = "sdpa" if on_gpu else on_cpu
    return recipe.model_copy(update={"machine": recipe.machine.model_copy(update=found)})


def first_card(
    ground: Ground[Told],
    kind: Literal["sft", "rl", "rejection"],
    data_sha256: str,
    *,
    examples: int,
    dropped: Mapping[str, int],
) -> RunCard:
    """Return the card of a run that begins. Raises ``InputError`` when its parent has none."""
    recipe = ground.recipe
    parent = ground.parent.read_card() if ground.parent is not None else None
    described = " ".join([recipe.sha256, ground.base.sha256, data_sha256, parent.id if parent else ""])
    return RunCard(
        id=hashlib.sha256(described.encode()).hexdigest()[:16],
        kind=kind,
        name=recipe.name,
        greenloop=greenloop.__version__,
        base=ground.base.card(ground.tokenizer),
        parent=parent.id if parent else None,
        dataset=recipe.data.version,
        data_sha256=data_sha256,
        recipe_sha256=recipe.sha256,
        seeds=recipe.seeds.model_dump(),
        packages={name: version(name) for name in PACKAGES},
        asking=asked(ground.dataset, recipe.prompt) if ground.dataset is not None else None,
        examples=examples,
        dropped=dict(dropped),
        status="stopped",
    )


def begin(ground: Ground[Told], run: RunFolder, *, resume: bool) -> Path | None:
    """Make the run's folder ready; return the checkpoint to go on from. Raises as ``RunFolder.begin``."""
    with ground.state.main_process_first():
        if ground.first:
            checkpoint = run.begin(ground.recipe, resume=resume)
        else:
            checkpoint = run.last_checkpoint() if resume else None
    if checkpoint is not None:
        ground.tell(f"going on from {checkpoint.name}")
    return checkpoint


def trainable(ground: Ground[Told]) -> Any:
    """Return the base with a new adapter, with the parent run's, or with every weight to be trained."""
    recipe, machine = ground.recipe, ground.recipe.machine
    full = recipe.optimisation.method == "full"
    if machine.threads:
        torch.set_num_threads(machine.threads)
    transformers.set_seed(recipe.seeds.seed)
    # small updates of a bf16 weight are lost, so weights that are trained are fp32
    dtype = torch.float32 if full or machine.precision == "fp32" else torch.bfloat16
    model = load_model(ground.base, dtype=dtype, attention=machine.attention)
    if full:
        return model
    if ground.parent is not None:
        return parent_adapter(model, ground.parent, ground.base.card(ground.tokenizer))
    return new_adapter(model, recipe.lora)


def settings(recipe: Recipe, run: RunFolder) -> dict[str, Any]:
    """Return the settings of transformers' trainer that all kinds of training share."""
    how, machine = recipe.optimisation, recipe.machine
    return {
        "output_dir": str(run.checkpoints),
        "learning_rate": how.learning_rate,
        "lr_scheduler_type": how.schedule,
        "warmup_steps": how.warmup_steps,
        "weight_decay": how.weight_decay,
        "max_grad_norm": how.max_grad_norm,
        "optim": "adamw_torch",
        "bf16": how.method == "full" and machine.precision == "bf16",
        "use_cpu": machine.device == "cpu",
        "seed": recipe.seeds.seed,
        "data_seed": recipe.seeds.data,
        "save_strategy": "steps",
        "save_steps": recipe.checkpoints.every_steps,
        "save_total_limit": recipe.checkpoints.keep,
        "logging_steps": 1,
        # a loss that is no number ends the run; it is never replaced by the mean of others
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "trust_remote_code": False,
    }


def put_weights(ground: Ground[Told], run: RunFolder, model: Any) -> dict[str, str]:
    """Write what was trained, and the tokenizer; return file → SHA-256."""
    if ground.recipe.optimisation.method == "full":

        def write(folder: Path) -> None:
            model.save_pretrained(folder)
            # a Hugging Face folder that a recipe can name as its base
            ground.tokenizer.save_pretrained(folder)

        files = run.put("model", write)
    else:
        card = ground.base.card(ground.tokenizer)
        files = run.put("adapter", lambda folder: save_adapter(model, folder, card))
    return files | run.put("tokenizer", ground.tokenizer.save_pretrained)
