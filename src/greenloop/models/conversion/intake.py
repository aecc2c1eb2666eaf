"""What a person hands to the book of models, a run, an adapter or a GGUF file, as GGUF files with their lineage."""

from dataclasses import dataclass
from pathlib import Path

from greenloop.models.adapters import check_adapter
from greenloop.models.book import Made
from greenloop.models.conversion.adapter import convert_adapter
from greenloop.models.conversion.model import SOURCE_SHA256, convert_model
from greenloop.models.conversion.probe import check_same_ids
from greenloop.models.conversion.tokenizer import check_same_tokens
from greenloop.models.conversion.weights import refuse_pickle
from greenloop.models.gguf import check_gguf
from greenloop.models.local import LocalModel, find_smollm2
from greenloop.models.versions import Lineage
from greenloop.records import InputError, ModelError, RecordError, RunCard
from greenloop.storage import named_io_errors, sha256_of

_PROBE_CONTEXT = 256


@dataclass(frozen=True, slots=True)
class Intake:
    """Files, which the runtime has opened once, and where they come from."""

    made: Made
    lineage: Lineage


def from_run(run: Path, base: Path | None, scratch: Path) -> Intake:
    """Take the adapter of a training run, or its whole model where it has none. New files go into ``scratch``.

    ``base`` is the GGUF that the run started from; without it the embedded SmolLM2 is taken if it was that one. Raises
    ``InputError`` when the run is not finished, holds no weights, or started from another base; ``ModelError`` when the
    runtime cannot open what was made.
    """
    card = _read_card(run / "card.json")
    if card.status != "finished":
        raise InputError(f"{run}: the run is {card.status}", "train it to its end first")
    lineage = Lineage(
        origin="run",
        base=card.base.name,
        base_sha256=card.base.sha256,
        run=card.id,
        kind=card.kind,
        status=card.status,
        parent=card.parent or "",
        dataset=card.dataset,
        recipe_sha256=card.recipe_sha256,
        greenloop=card.greenloop,
        asking=card.asking,
    )
    tokenizer = run / "tokenizer"
    if (run / "adapter").is_dir():
        found = base or find_smollm2()
        _check_base(found, card, told=base is not None)
        made = _adapter(run / "adapter", found, scratch)
    elif (run / "model").is_dir():
        if base is not None:
            _check_base(base, card, told=True)
        convert_model(run / "model", scratch / "model.gguf", tokenizer=tokenizer, like=base)
        made = Made(model=scratch / "model.gguf")
    else:
        raise InputError(f"{run}: holds neither adapter/ nor model/", "give the folder of a training run")
    _open_once(made, tokenizer)
    return Intake(made, lineage)


def from_adapter(folder: Path, base: Path, scratch: Path) -> Intake:
    """Take a PEFT folder of a LoRA on the GGUF model ``base``; a tokenizer that lies in it must be the base's own."""
    made = _adapter(folder, base, scratch)
    if (folder / "tokenizer.json").is_file():
        check_same_tokens(folder, base)
    _open_once(made, folder)
    return Intake(made, Lineage(origin="adapter", base=base.name, base_sha256=sha256_of(base)))


def from_gguf(path: Path, base: Path | None) -> Intake:
    """Take a GGUF file as it is: a model, or an adapter on the GGUF model ``base``."""
    refuse_pickle(path)
    header = check_gguf(path)
    if not header.is_adapter:
        if base is not None:
            raise InputError(f"{path}: a whole model, which needs no base", "leave out --base")
        _open_once(Made(model=path), None)
        return Intake(Made(model=path), Lineage(origin="gguf"))
    if base is None:
        raise InputError(f"{path}: an adapter, which needs the model that it was trained on", "name it by --base")
    check_adapter(path, base, check_gguf(base))
    made = Made(None if is_embedded(base) else base, path)
    _open_once(made, None)
    return Intake(made, Lineage(origin="gguf", base=base.name, base_sha256=sha256_of(base)))


def is_embedded(base: Path) -> bool:
    """Say whether a file is the embedded SmolLM2, byte by byte."""
    try:
        embedded = find_smollm2()
    except ModelError:
        return False
    return base.samefile(embedded) or sha256_of(base) == sha256_of(embedded)


def _adapter(folder: Path, base: Path, scratch: Path) -> Made:
    convert_adapter(folder, base, scratch / "adapter.gguf")
    return Made(None if is_embedded(base) else base, scratch / "adapter.gguf")


def _read_card(path: Path) -> RunCard:
    if not path.is_file():
        raise InputError(f"{path}: no such file", "give the folder of a training run")
    with named_io_errors(path):
        text = path.read_text("utf-8", "replace")
    try:
        return RunCard.from_json(text)
    except RecordError as error:
        raise InputError(
            f"{path}: no card of a training run: {error.message}", "give the folder of a run of this Greenloop"
        ) from error


def _check_base(base: Path, card: RunCard, *, told: bool) -> None:
    header = check_gguf(base)
    if card.base.sha256 in {sha256_of(base), header.text(SOURCE_SHA256)}:
        return
    what = base.name if told else "the embedded SmolLM2"
    raise InputError(
        f"the run {card.id} started from {card.base.name} (SHA-256 {card.base.sha256[:12]}…), which {what} is not",
        "name its base by --base; `greenloop models convert FOLDER --out BASE.gguf` makes a GGUF of a folder",
    )


def _open_once(made: Made, tokenizer: Path | None) -> None:
    """Have the runtime open it, so that nothing is registered that cannot be served, or that reads texts otherwise."""
    with LocalModel(made.model, adapter=made.adapter, context_tokens=_PROBE_CONTEXT) as model:
        if tokenizer is not None and (tokenizer / "tokenizer.json").is_file():
            check_same_ids(tokenizer, model)
