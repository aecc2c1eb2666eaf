"""A run's model in the local runtime: llama.cpp is two to three times as fast on a CPU as PyTorch."""

from pathlib import Path

from greenloop.models import shipped
from greenloop.models.conversion.adapter import convert_adapter
from greenloop.models.conversion.merge import merge_adapter
from greenloop.models.conversion.model import convert_model
from greenloop.models.local import DEFAULT_CONTEXT_TOKENS, LocalModel, find_smollm2
from greenloop.records import InputError
from greenloop.training.adapters import check_parent
from greenloop.training.base_model import Base, context_tokens, find_base, load_tokenizer
from greenloop.training.recipe import Recipe
from greenloop.training.run_folder import RunFolder


def open_run(recipe: Recipe, path: Path, bases: Path, scratch: Path) -> LocalModel:
    """Return the model of the finished run at ``path``, which stands on the base of ``recipe``, ready to be asked.

    What has to be converted lies in ``scratch``. Raises ``InputError`` when the run is not finished or stands on
    another base, ``ModelError`` when the runtime is missing.
    """
    run = RunFolder(path)
    card = run.read_card()
    base = find_base(recipe.base.model, bases)
    check_parent(card, base.card(load_tokenizer(base)), path)
    name = f"run:{card.name}-{card.id}"
    room = min(context_tokens(base) or DEFAULT_CONTEXT_TOKENS, DEFAULT_CONTEXT_TOKENS)
    threads = max(1, recipe.machine.threads)
    if run.adapter.is_dir():
        model, adapter = base_gguf(recipe, base, scratch), scratch / "adapter.gguf"
        convert_adapter(run.adapter, model, adapter)
        if recipe.base.model == shipped.BASE:
            # faster than the two laid over each other, as when it is served (``models.merged``)
            merge_adapter(model, adapter, scratch / "merged.gguf")
            return LocalModel(scratch / "merged.gguf", name=name, threads=threads, context_tokens=room)
        return LocalModel(model, adapter=adapter, name=name, threads=threads, context_tokens=room)
    if not run.model.is_dir():
        raise InputError(f"{path}: holds neither adapter/ nor model/", "give the folder of a training run")
    convert_model(run.model, scratch / "model.gguf", tokenizer=run.tokenizer)
    return LocalModel(scratch / "model.gguf", name=name, threads=threads, context_tokens=room)


def base_gguf(recipe: Recipe, base: Base, scratch: Path) -> Path:
    """Return the GGUF file that the base came from, or one made of its folder in ``scratch``."""
    if recipe.base.model == shipped.BASE:
        return find_smollm2()
    if Path(recipe.base.model).is_file():
        return Path(recipe.base.model)
    made = scratch / "base.gguf"
    if not made.is_file():
        convert_model(base.folder, made)
    return made
