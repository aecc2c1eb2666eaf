"""LoRA adapters: a new one on a base, or a run's own, which fits only the base and tokenizer it was trained with."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model

from greenloop.records import BaseModelCard, InputError, RunCard
from greenloop.training.base_model import check_weights
from greenloop.training.run_folder import RunFolder
from greenloop.training.sections import LoraSection


def new_adapter(model: Any, lora: LoraSection) -> Any:
    """Return ``model`` with a fresh adapter. Raises ``InputError`` when a target is no layer of the model."""
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
        task_type="CAUSAL_LM",
    )
    known = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    unknown = sorted(set(lora.targets) - known)
    if unknown or "lm_head" in lora.targets:
        odd = unknown[0] if unknown else "lm_head"
        raise InputError(f"[lora] targets: no adapter can be put on {odd!r} of this model", "see its linear layers")
    with _without_old_names():
        return get_peft_model(model, config)


def parent_adapter(model: Any, run: RunFolder, base: BaseModelCard) -> Any:
    """Return ``model`` with the adapter of ``run``, to be trained further.

    Raises ``InputError`` when the adapter is of another base or another tokenizer, missing, or a pickle.
    """
    check_parent(run.read_card(), base, run.path)
    if not run.adapter.is_dir():
        raise InputError(f"{run.path}: this run has no adapter", 'give a run that was trained with method = "lora"')
    check_weights(run.adapter)
    with _without_old_names():
        found = PeftModel.from_pretrained(model, str(run.adapter), is_trainable=True)
    # PEFT looks for the base's config there whenever it saves; an adapter that was put away names no folder
    found.active_peft_config.base_model_name_or_path = model.name_or_path
    return found


@contextmanager
def _without_old_names() -> Iterator[None]:
    """Leave out a warning for PEFT's authors: PEFT 0.21 asks transformers 5.23 by a name that will go."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        yield


def check_parent(card: RunCard, base: BaseModelCard, path: Path) -> None:
    """Raise ``InputError`` unless an adapter with ``card`` fits ``base``."""
    if card.status != "finished":
        raise InputError(f"{path}: this run is not finished", "finish it with --resume")
    if card.base.tokenizer_sha256 != base.tokenizer_sha256:
        raise InputError(
            f"{path}: its adapter was trained with another tokenizer or chat template than that of {base.name}",
            f"take the base that it was trained on: {card.base.name}",
        )
    if card.base.sha256 != base.sha256:
        raise InputError(
            f"{path}: its adapter was trained on another base ({card.base.name}) than {base.name}",
            "take the same base, byte for byte",
        )


def save_adapter(model: Any, folder: Path, base: BaseModelCard) -> None:
    """Write the adapter in safetensors; it names its base as the recipe does, not by a folder of this machine."""
    model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    # PEFT's page of empty headings says nothing that the run card does not
    (folder / "README.md").unlink(missing_ok=True)
    config = folder / "adapter_config.json"
    held = json.loads(config.read_text())
    held["base_model_name_or_path"] = base.name
    # a set in PEFT, in another order in each process
    held["target_modules"] = sorted(held["target_modules"])
    config.write_text(json.dumps(held, indent=2, sort_keys=True) + "\n")
