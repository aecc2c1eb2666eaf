"""What ``greenloop mine`` and ``split`` share about prompts: the wished distribution, a model's words, the counts."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.markup import escape

from greenloop.cli.config import Config, MiningSettings
from greenloop.cli.console import out, progress
from greenloop.cli.home import Home
from greenloop.cli.turns import model_settings
from greenloop.mining.prompting.counts import beside_wishes
from greenloop.mining.prompting.distribution import Distribution, from_requests
from greenloop.mining.prompting.rephrase import rephrase
from greenloop.mining.prompting.reply_cache import ReplyCache
from greenloop.mining.prompting.service import Service
from greenloop.models.registry import open_model
from greenloop.records import Example

_RETRIES = 1


def wished(home: Home, settings: MiningSettings) -> Distribution:
    """Return the distribution of prompts: that of the logged requests where there are enough, else the settings'."""
    measured = from_requests(home.feedback.requests()) if settings.prompts.measure else None
    given = settings.prompts
    return measured or Distribution(tuple(given.lengths.items()), tuple(given.styles.items()))


def prompted(
    home: Home, settings: Config, examples: Sequence[Example]
) -> tuple[tuple[Example, ...], dict[str, object]]:
    """Return the examples with the prompts that they keep, a model's where one is configured, and the counts of these.

    A model that does not answer is no error: the counts and a line on the terminal say so. Raises ``InputError`` when
    no model has that name, ``ModelError`` when a local one cannot be loaded.
    """
    distribution = wished(home, settings.mining)
    given = settings.mining.prompts
    if not given.model:
        return tuple(examples), beside_wishes(examples, distribution)
    asked = replace(model_settings(settings), timeout_seconds=given.timeout_seconds, retries=_RETRIES)
    with open_model(given.model, asked) as model, progress(f"asking {model.name} for prompts", "examples") as report:
        service = Service(
            model,
            ReplyCache(home.prompts, _fingerprint(given.model)),
            deadline_seconds=given.timeout_seconds * (_RETRIES + 1),
            most_failures=given.most_failures,
            workers=given.workers,
        )
        result = rephrase(
            examples, home.trees, service, distribution, budget=settings.context.budget_tokens, tell=report
        )
    requests = service.counts
    counts = {
        "name": model.name,
        "asked": requests.asked,
        "taken": {"descriptions": result.descriptions, "prompts": result.prompts},
        "rejected": result.refused,
        "failed": requests.failed,
        "not_asked": requests.not_asked,
        "error": requests.error,
    }
    return result.examples, {**beside_wishes(result.examples, distribution), "model": counts}


def tell_of_model(counts: Mapping[str, object]) -> None:
    """Say on the terminal what became of the model's words, if one was asked; ``counts`` are those of ``prompted``."""
    model = counts.get("model")
    if not isinstance(model, dict):
        return
    taken, refused = model["taken"], sum(model["rejected"].values())
    out.print(
        f"{escape(model['name'])} wrote {taken['prompts']} of {counts['examples']} prompts and {taken['descriptions']} "
        f"descriptions, rules the others; {refused} of its {model['asked']} answers were rejected."
    )
    if model["failed"]:
        out.print(f"[yellow]{model['failed']} requests failed, {model['not_asked']} were not made:[/] ", end="")
        out.print(escape(model["error"]))


def _fingerprint(name: str) -> str:
    """Tell models apart by name and, where they are a file, by its bytes."""
    path = Path(name.partition(":")[2])
    if not path.is_file():
        return name
    with path.open("rb") as file:
        return f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}"
