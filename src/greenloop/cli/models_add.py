"""``greenloop models add`` and ``convert``: what was trained becomes a file that can be served."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.cli.app import App
from greenloop.cli.console import out, progress
from greenloop.models import shipped
from greenloop.models.book import Book
from greenloop.models.local import find_smollm2
from greenloop.models.versions import check_name
from greenloop.records import EnvironmentFault, InputError

Base = Annotated[
    str | None,
    typer.Option("--base", help="The GGUF model that it was trained from; `smollm2`: the embedded SmolLM2-135M."),
]
_NEEDS_BASE = "an adapter needs the model that it was trained on"


class FloatType(StrEnum):
    """How a converted model's matrices are stored."""

    F16 = "f16"
    F32 = "f32"


def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it; a name that is there gets a new version.")],
    run: Annotated[Path | None, typer.Option("--run", help="The folder of a training run.")] = None,
    adapter: Annotated[Path | None, typer.Option("--adapter", help="A PEFT folder of a LoRA; needs --base.")] = None,
    gguf: Annotated[
        Path | None, typer.Option("--gguf", help="A GGUF file: a model, or an adapter with --base.")
    ] = None,
    base: Base = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Register what was trained: converted to GGUF, checked against its base, and opened once. The default stays."""
    check_name(name)
    if (run is not None) + (adapter is not None) + (gguf is not None) != 1:
        raise InputError("what to add is not clear", "give exactly one of --run, --adapter and --gguf")
    with _installed():
        from greenloop.models.conversion import intake
    found = _base(base)
    book = Book(App.of(context).home.models)
    with TemporaryDirectory(prefix="greenloop-models-") as scratch, progress("converting and opening it"):
        if run is not None:
            taken = intake.from_run(run, found, Path(scratch))
        elif adapter is not None:
            if found is None:
                raise InputError(_NEEDS_BASE, "name it by --base")
            taken = intake.from_adapter(adapter, found, Path(scratch))
        else:
            assert gguf is not None
            taken = intake.from_gguf(gguf, found)
        entry = book.add(name, taken.made, taken.lineage, now=time.time())
    version = entry.version
    if as_json:
        print(json.dumps({"reference": entry.reference, **version.model_dump(mode="json")}))
        return
    kind = "adapter" if version.adapter else "model"
    out.print(f"Added [bold]{escape(entry.reference)}[/]: {kind}, {version.bytes / 1e6:.1f} MB.")
    out.print(f"Try it: --model {escape(entry.reference)}; take it: [bold]greenloop models use {escape(name)}[/]")


def convert(
    folder: Annotated[Path, typer.Argument(help="A PEFT folder of a LoRA, or a Hugging Face folder of a Llama.")],
    target: Annotated[Path, typer.Option("--out", "-o", help="The GGUF file to write.")],
    base: Base = None,
    dtype: Annotated[
        FloatType, typer.Option("--type", help="How a whole model's matrices are stored.")
    ] = FloatType.F16,
) -> None:
    """Make a GGUF file of a folder, without registering it.

    With --base an adapter is bound to that model, and a whole model takes over its tokenizer.
    """
    with _installed():
        from greenloop.models.conversion.adapter import CONFIG, convert_adapter
        from greenloop.models.conversion.model import convert_model
    found = _base(base)
    with progress("converting"):
        if not (folder / CONFIG).is_file():
            header = convert_model(folder, target, like=found, dtype=dtype.value)
        elif found is None:
            raise InputError(f"{folder}: {_NEEDS_BASE}", "name it by --base")
        else:
            header = convert_adapter(folder, found, target)
    out.print(f"{escape(str(target))}: {header.tensors} tensors, {target.stat().st_size / 1e6:.1f} MB.")


@contextmanager
def _installed() -> Iterator[None]:
    """Name what is missing. gguf and tokenizers take two seconds to import, and only these commands need them."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise EnvironmentFault(
            f"{error.name}, which converting models needs, is not installed", "pip install 'greenloop[local]'"
        ) from error


def _base(given: str | None) -> Path | None:
    if given is None:
        return None
    return find_smollm2() if given == shipped.BASE else Path(given)
