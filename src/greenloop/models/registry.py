"""Opening a model by its name; a class is imported only when it is chosen.

Names: ``local`` (SmolLM2 with the adapter that Greenloop brings), ``smollm2`` (without), ``local:PATH.gguf``,
``local:PATH.gguf+ADAPTER.gguf`` (``local:+ADAPTER.gguf`` on SmolLM2), ``openai:MODEL@URL``, ``scripted:FILE``; of the
book of models ``own:NAME``, ``own:NAME@VERSION``, both also without ``own:``, and ``default``, the one that was chosen
there. ``open_models`` takes several, for when one fails.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from greenloop.models import shipped
from greenloop.models.book import FALLBACK, Book
from greenloop.models.merged import merged
from greenloop.models.seam import Model
from greenloop.models.several import FallbackModel, LimitedModel
from greenloop.models.versions import parse
from greenloop.records import Asking, InputError

EXISTING = (
    "default",
    "local",
    "smollm2",
    "local:PATH.gguf",
    "local:PATH.gguf+ADAPTER.gguf",
    "own:NAME",
    "openai:MODEL@URL",
    "scripted:FILE",
)
_WITH_ADAPTER = re.compile(r"(?P<base>.*\.gguf)?\+(?P<adapter>.+\.gguf)")
_SERVED = re.compile(r"(?P<model>.+?)@(?P<url>https?://.+)")


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What a model's name leaves open; each kind of model takes what concerns it."""

    api_key: str = field(default="", repr=False)
    """Key for a server; never part of an error or a log."""
    timeout_seconds: float = 120.0
    """Longest wait for a server, per attempt."""
    retries: int = 2
    """Further attempts after a server fails."""
    threads: int = 1
    """Threads of a local model: one, where builds share the cores."""
    context_tokens: int = 4096
    """Room for prompt and reply of a local model."""
    batch_tokens: int = 0
    """Tokens of a prompt that a local model evaluates at once; 0: llama.cpp's default. See ``LocalModel``."""
    first_byte_seconds: float = 120.0
    """Longest wait for the beginning of a streamed answer, attempts included."""
    idle_seconds: float = 60.0
    """Longest wait between two pieces of a streamed answer."""
    total_seconds: float = 600.0
    """Longest streamed answer."""
    max_reply_bytes: int = 4 << 20
    """Largest streamed reply, thoughts included."""
    thought_tokens: int = 0
    """Tokens that a reasoning model may think, beside those of the reply; 0: they count among these."""
    per_minute: int = 0
    """Requests begun within a minute; more wait. 0: no bound."""
    at_once: int = 0
    """Requests at the same time; more wait. 0: no bound."""
    book: Path | None = None
    """Folder of the book of models; without it there is none of one's own, and ``default`` is ``local``."""
    merged: Path | None = None
    """Folder for the embedded model with an adapter, as one file (``models.merged``); without it they stay two."""


def open_models(names: Sequence[str], settings: ModelSettings | None = None) -> Model:
    """Return the first model of ``names``, with the others behind it for when it fails, each within its limits.

    Raises what ``open_model`` raises, for each of the names.
    """
    settings = settings or ModelSettings()
    opened: list[Model] = []
    try:
        for name in names:
            model = open_model(name, settings)
            if settings.per_minute or settings.at_once:
                model = LimitedModel(model, at_once=settings.at_once, per_minute=settings.per_minute)
            opened.append(model)
        return opened[0] if len(opened) == 1 else FallbackModel(opened)
    except BaseException:
        for model in opened:
            model.close()
        raise


def open_model(name: str, settings: ModelSettings | None = None) -> Model:
    """Return the model of that name, ready to be asked. Close it when done.

    The book of models is read at each opening. Raises ``InputError`` when there is no such name, and what the model's
    class raises.
    """
    settings = settings or ModelSettings()
    if name == "default":
        name = Book(settings.book).current() if settings.book is not None else FALLBACK
    kind, colon, rest = name.partition(":")
    opener = _OPENERS.get(kind)
    if opener is None and _is_registered(name, settings):
        return _own(name, name, settings)
    if opener is None or (colon and not rest):
        raise InputError(f"no model is called {name!r}", f"there are: {', '.join(EXISTING)}")
    return opener(name, rest, settings)


def asking_of(name: str, settings: ModelSettings) -> Asking | None:
    """Return how the model of that name was trained to be asked; ``None`` where nobody knows.

    Raises ``InputError`` when it is of the book and not in it.
    """
    book = Book(settings.book) if settings.book is not None else None
    if name == "default":
        name = book.current() if book is not None else FALLBACK
    if name == FALLBACK:
        return shipped.card().asking
    kind = name.partition(":")[0]
    if book is not None and (kind == "own" or (kind not in _OPENERS and _is_registered(name, settings))):
        return book.find(name).version.lineage.asking
    return None


def _llama(settings: ModelSettings, path: Path | None = None, adapter: Path | None = None, name: str = "") -> Model:
    from greenloop.models.local import LocalModel  # chosen models only: see the module

    return LocalModel(
        path,
        adapter=adapter,
        name=name,
        threads=settings.threads,
        context_tokens=settings.context_tokens,
        batch_tokens=settings.batch_tokens,
    )


def _local(_name: str, rest: str, settings: ModelSettings) -> Model:
    if not rest:
        return _adapted(shipped.ADAPTER, FALLBACK, settings)
    # a file may have a plus in its name
    found = _WITH_ADAPTER.fullmatch(rest) if not Path(rest).is_file() else None
    base, adapter = (found["base"], found["adapter"]) if found is not None else (rest, None)
    return _llama(settings, Path(base) if base else None, Path(adapter) if adapter else None)


def _adapted(adapter: Path, name: str, settings: ModelSettings) -> Model:
    """Open the embedded model with an adapter: as one file where there is a place to keep it."""
    if settings.merged is None:
        return _llama(settings, adapter=adapter, name=name)
    from greenloop.models.local import find_smollm2  # chosen models only: see the module

    return _llama(settings, merged(find_smollm2(), adapter, settings.merged), name=name)


def _smollm2(name: str, _rest: str, settings: ModelSettings) -> Model:
    return _llama(settings, name=name)


def _is_registered(name: str, settings: ModelSettings) -> bool:
    parsed = parse(name)
    return parsed is not None and settings.book is not None and parsed[0] in Book(settings.book).page().models


def _own(name: str, _rest: str, settings: ModelSettings) -> Model:
    if settings.book is None:
        raise InputError(f"{name!r} is of the book of models, and there is none here", "name it by its file: local:…")
    book = Book(settings.book)
    entry = book.find(name)
    files = book.paths(entry.version)
    if files.model is None and files.adapter is not None:
        return _adapted(files.adapter, entry.reference, settings)
    return _llama(settings, files.model, files.adapter, entry.reference)


def _openai(name: str, rest: str, settings: ModelSettings) -> Model:
    # the client takes half a second to import
    from greenloop.models.openai_server import OpenAIModel
    from greenloop.models.openai_stream import Bounds

    served = _SERVED.fullmatch(rest)
    if served is None:
        raise InputError(f"{name!r} does not say which model is served where", "write openai:MODEL@http://HOST:PORT/v1")
    bounds = Bounds(
        first_byte_seconds=settings.first_byte_seconds,
        idle_seconds=settings.idle_seconds,
        total_seconds=settings.total_seconds,
        max_bytes=settings.max_reply_bytes,
        thought_tokens=settings.thought_tokens,
    )
    return OpenAIModel(
        served["url"],
        served["model"],
        settings.api_key,
        timeout=settings.timeout_seconds,
        retries=settings.retries,
        bounds=bounds,
    )


def _scripted(name: str, rest: str, _settings: ModelSettings) -> Model:
    from greenloop.models.scripted import ScriptedModel, read_script  # chosen models only: see the module

    if not rest:
        raise InputError(f"{name!r} names no script", "write scripted:FILE")
    return ScriptedModel(read_script(Path(rest)), name=name)


_OPENERS: dict[str, Callable[[str, str, ModelSettings], Model]] = {
    "local": _local,
    "openai": _openai,
    "own": _own,
    "scripted": _scripted,
    "smollm2": _smollm2,
}
