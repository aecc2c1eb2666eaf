"""What ``greenloop fix`` and ``greenloop ask`` share: a checkout in, candidates, and the best one shown or written."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import typer
from rich.markup import escape

from greenloop.assists.turn import Turn
from greenloop.candidates.examine import Rules
from greenloop.candidates.hints import HintSource
from greenloop.candidates.mechanical.source import SearchSource
from greenloop.candidates.sampling import ModelSource, Sampling
from greenloop.candidates.searching import Search
from greenloop.candidates.source import Source
from greenloop.candidates.weighing import ModelWeigher, Weigher
from greenloop.cli import contexts, show
from greenloop.cli.app import App
from greenloop.cli.config import Config, find
from greenloop.cli.console import out, progress
from greenloop.cli.home import Home
from greenloop.cli.route import Way
from greenloop.cli.toolchains import Bench, bench, toolchain_name
from greenloop.models import registry
from greenloop.models.likelihood import Likelihood
from greenloop.models.registry import ModelSettings, open_model
from greenloop.models.seam import Model
from greenloop.prompts.explain import Explained
from greenloop.prompts.recipes import DEFAULT
from greenloop.records import Asking, Feedback, FeedbackKind, InputError, Suggestion
from greenloop.snapshots.secrets import Screen
from greenloop.storage import write_atomically
from greenloop.workspace.edits import render_unified
from greenloop.workspace.vcs import Checkout, detect, read_checkout
from greenloop.workspace.writeback import write_back


@dataclass(frozen=True)
class Present:
    """A checkout as it stands on the disk, uncommitted changes included, with its judge."""

    app: App
    settings: Config
    checkout: Checkout
    judge: Bench

    @property
    def rules(self) -> Rules:
        """What a candidate may do, by the settings."""
        return Rules(
            suite=self.judge.suite,
            max_changed_lines=self.settings.eval.max_changed_lines,
            protected=self.settings.toolchain.protected,
        )

    @property
    def searches(self) -> tuple[Search, ...]:
        """The model-free search, unless the settings say that there is none."""
        return searches(self.settings)


def searches(settings: Config) -> tuple[Search, ...]:
    """Return the model-free search, unless the settings say that there is none."""
    wanted = settings.search
    return (Search(SearchSource(), wanted.max_checks, wanted.enough),) if wanted.enabled else ()


def project_root(folder: Path) -> Path:
    """Return the nearest folder upwards with a ``greenloop.toml``, but never above the repository; else its root."""
    top = detect(folder).root
    file = find(folder.resolve())
    return file.parent if file is not None and file.parent.is_relative_to(top) else top


def folder_name(folder: Path) -> str:
    """Return the name of a folder as text, whatever bytes it has: records hold text alone."""
    return os.fsencode(folder.name).decode("utf-8", "backslashreplace")


def present(context: typer.Context, folder: Path) -> Present:
    """Read the repository that ``folder`` lies in as it stands on the disk, and set up its judge."""
    app = App.of(context)
    settings = app.settings(folder)
    root = project_root(folder)
    screen = Screen(allowed=settings.record.allow_secrets)
    with progress("reading the checkout"):
        checkout = read_checkout(root, app.home.trees, max_file_bytes=settings.record.max_file_bytes, screen=screen)
    if checkout.tree == app.home.trees.empty:
        raise InputError(f"{root}: there are no files to work on", "name a folder with a project in it")
    judge = bench(app.home, settings, toolchain_name(app.home, settings, checkout.tree))
    return Present(app, settings, checkout, judge)


def model_settings(settings: Config, home: Home) -> ModelSettings:
    """Return what opening a model needs; the key comes from the environment variable that is named."""
    wanted = settings.model
    return ModelSettings(
        api_key=os.environ.get(wanted.api_key_variable, ""),
        timeout_seconds=wanted.timeout_seconds,
        retries=wanted.retries,
        threads=wanted.threads,
        first_byte_seconds=wanted.first_byte_seconds,
        idle_seconds=wanted.idle_seconds,
        total_seconds=wanted.total_seconds,
        max_reply_bytes=wanted.max_reply_mib << 20,
        thought_tokens=wanted.thought_tokens,
        per_minute=wanted.per_minute,
        at_once=wanted.at_once,
        book=home.models,
        merged=home.cache / "merged",
    )


def sampling(settings: Config, candidates: int | None) -> Sampling:
    """Return one greedy reply and as many sampled ones as make up ``candidates``."""
    count = candidates or settings.model.candidates
    return Sampling(
        greedy=1, sampled=count - 1, temperature=settings.model.temperature, max_tokens=settings.model.max_tokens
    )


@dataclass(frozen=True)
class Asked:
    """Who is asked for candidates, and who says which fix is likelier."""

    sources: tuple[Source, ...]
    weigher: Weigher | None
    model: ModelSource
    """The one of ``sources`` that is a model."""


@contextmanager
def sources(now: Present, model: str | None, candidates: int | None) -> Iterator[Asked]:
    """Open the model for as long as the block runs; the compiler's own hints need none."""
    name, models = model or now.settings.model.name, model_settings(now.settings, now.app.home)
    # a recipe that is not there is told before a model is loaded; a trained model knows no other than its own
    wanted = contexts.recipe(now.settings.context)
    trained = registry.asking_of(name, models)
    recipe = wanted if trained is None else DEFAULT
    index = contexts.index(now.app.home, now.checkout.root, now.checkout.tree)
    with open_model(name, models) as opened:
        asking = asking_of(now.settings, trained)
        asked = ModelSource(opened, sampling(now.settings, candidates), asking, recipe=recipe, index=index)
        yield Asked((*beside_the_model(), asked), weigher_of(now.settings, opened, trained), asked)


def beside_the_model() -> tuple[Source, ...]:
    """Return what is asked beside a model, in order; evaluation asks the same to know what would be shown."""
    return (HintSource(),)


def weigher_of(settings: Config, model: Model, trained: Asking | None) -> Weigher | None:
    """Return the model as a weigher, if it was ``trained`` on fixes and can say how likely it holds one."""
    most = settings.model.weighed
    return ModelWeigher(model, trained, most) if trained and most and isinstance(model, Likelihood) else None


def asking_of(settings: Config, trained: Asking | None) -> Asking:
    """Return how a model is asked: as it was ``trained`` to be, else by the settings."""
    return trained or Asking(strategy=settings.context.strategy, budget_tokens=settings.context.budget_tokens)


def finish(
    now: Present,
    turn: Turn,
    *,
    apply: bool = False,
    as_json: bool = False,
    save: Path | None = None,
    sent: Explained | None = None,
) -> None:
    """Show the turn's best suggestion with its badge, keep what became of it, and write it if that was asked.

    ``sent`` is shown before: what the model was sent, and why.
    """
    best = turn.best
    diff = render_unified(now.app.home.trees, best.base, best.result) if best is not None else ""
    written: tuple[str, ...] = ()
    if best is not None:
        _remember(now.app, best, FeedbackKind.SHOWN)
    if not as_json:
        if sent is not None:
            contexts.show(sent)
        _show(turn, best, diff)
    if apply and best is not None:
        written = _apply(now, best)
    if save is not None:
        write_atomically(save, (json.dumps(_saved(now, turn, written), indent=1) + "\n").encode())
    if as_json:
        print(json.dumps(_as_json(turn, best, diff, written) | ({} if sent is None else {"sent": asdict(sent)})))
    elif written:
        out.print(f"[green]Written:[/] {escape(', '.join(written))}")
    # a green tree on which a fix was asked for needs none; else only what is verified and clean is a success
    nothing_wrong = turn.before.green and not turn.attempts
    if not (nothing_wrong or turn.fixed or (turn.before.green and _clean(best))):
        raise typer.Exit(1)


def _clean(best: Suggestion | None) -> bool:
    return best is not None and best.verdict.green and not best.flags


def _show(turn: Turn, best: Suggestion | None, diff: str) -> None:
    if turn.before.errors:
        show.errors(turn.before.errors, most=1)
    for fault in turn.faults:
        out.print(f"[yellow]{escape(fault)}[/]")
    if best is not None:
        out.print()
        out.print(show.coloured_diff(diff), end="")
        out.print(show.badge_of(best), f" by {escape(best.model)}")
        show.errors(best.verdict.errors, most=2)
    out.print(escape(turn.summary()))
    if best is not None and not best.verdict.green:
        out.print("[bold]Nothing here is verified to work.[/] What is shown is the nearest attempt.")


def _apply(now: Present, best: Suggestion) -> tuple[str, ...]:
    if not _clean(best):
        why = ", ".join(best.flags) or str(best.badge)
        raise InputError(
            f"the best suggestion is not written: {why}", "nothing was changed; look at the diff and edit by hand"
        )
    written = write_back(now.checkout.root, now.app.home.trees, best.base, best.result)
    _remember(now.app, best, FeedbackKind.ACCEPTED)
    return written


def _remember(app: App, suggestion: Suggestion, kind: FeedbackKind) -> None:
    app.home.feedback.append(
        Feedback(
            time=time.time(),
            kind=kind,
            suggestion=suggestion.id,
            base=suggestion.base,
            result=suggestion.result,
            model=suggestion.model,
            badge=str(suggestion.badge),
        )
    )


def _saved(now: Present, turn: Turn, written: tuple[str, ...]) -> dict[str, object]:
    """Return all that a report needs to show the turn again."""
    best = turn.best
    return {
        "workspace": folder_name(now.checkout.root),
        "summary": turn.summary(),
        "fixed": turn.fixed,
        "badge": None if best is None else str(best.badge),
        "model": None if best is None else best.model,
        "written": list(written),
        "before": json.loads(turn.before.to_json()),
        "suggestion": None if best is None else json.loads(best.to_json()),
        "attempts": [json.loads(attempt.to_json()) for attempt in turn.attempts],
    }


def _as_json(turn: Turn, best: Suggestion | None, diff: str, written: tuple[str, ...]) -> dict[str, object]:
    return {
        "way": Way.HERE.value,
        "before": turn.before.status.value,
        "fixed": turn.fixed,
        "badge": str(best.badge) if best is not None else None,
        "flags": list(best.flags) if best is not None else [],
        "model": best.model if best is not None else None,
        "diff": diff,
        "attempts": len(turn.attempts),
        "why_not": dict(turn.why_not()),
        "summary": turn.summary(),
        "written": list(written),
    }
