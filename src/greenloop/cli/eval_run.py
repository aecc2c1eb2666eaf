"""Wiring a run of ``greenloop eval``. Imported only when it is made: scipy and matplotlib take seconds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from greenloop import __version__
from greenloop.builds.behaviour_store import Behaviours
from greenloop.cli.app import App
from greenloop.cli.config import Config
from greenloop.cli.console import progress
from greenloop.cli.home import Home
from greenloop.cli.mine import rules
from greenloop.cli.toolchains import Bench, behaviours, bench, toolchain_name
from greenloop.cli.turns import asking_of, beside_the_model, model_settings, searches, weigher_of
from greenloop.datasets.load import EVERYTHING, by_authors, load, tasks
from greenloop.datasets.shares import in_order
from greenloop.evals.gate import Requirement, requirements
from greenloop.evals.measures import OwnFix
from greenloop.evals.metrics import Shape, metrics
from greenloop.evals.report import Number, ReportData, render_evaluation, task_views
from greenloop.evals.results import ResultsFolder
from greenloop.evals.run import run, sampling_for
from greenloop.evals.scores import EvalReport
from greenloop.evals.sessions import SessionsDesk, digest_of
from greenloop.evals.tables import score_text
from greenloop.mining.prompting.distribution import Distribution
from greenloop.models import registry
from greenloop.models.registry import open_model
from greenloop.records import Example, InputError, Suite, Task, Workspace
from greenloop.storage import write_atomically
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True)
class Asked:
    """What the command was given; exactly one of ``dataset`` and ``sessions``."""

    dataset: Path | None
    sessions: Path | None
    model: str | None
    n: int
    k: int
    part: str
    authors: tuple[str, ...]
    limit: int | None
    with_search: bool
    seed: int
    require: tuple[str, ...]
    target: Path | None


@dataclass(frozen=True)
class Done:
    """What came of it. ``too_large`` counts tasks left out because the person's own edit is too large."""

    report: EvalReport
    wanted: tuple[Requirement, ...]
    folder: Path
    page: Path
    too_large: int


@dataclass(frozen=True)
class Chosen:
    """The examples to score on, what they are called, and the home in which their trees and verdicts lie."""

    app: App
    name: str
    examples: tuple[Example, ...]
    place: Path


def carry_out(app: App, asked: Asked) -> Done:
    """Choose the tasks, ask, judge, and write the page."""
    settings = app.settings(Path())
    chosen = _of_sessions(app, settings, asked) if asked.sessions is not None else _of_dataset(app, asked)
    home = chosen.app.home
    most = settings.eval.max_changed_lines
    chosen_tasks = _limited(tasks(chosen.examples, most), asked.limit)
    if not chosen_tasks:
        raise InputError(f"{chosen.place}: the part {asked.part!r} holds no task", "choose another --split")
    judge = bench(home, settings, toolchain_name(home, settings, chosen_tasks[0].base))
    sampling = sampling_for(
        asked.n, temperature=settings.model.temperature, max_tokens=settings.model.max_tokens, seed=asked.seed
    )
    sources = beside_the_model() if asked.with_search else ()
    wide = searches(settings) if asked.with_search else ()
    name, models = asked.model or settings.model.name, model_settings(settings, app.home)
    with open_model(name, models) as opened:
        trained = registry.asking_of(name, models)
        asking = asking_of(settings, trained)
        # a bound that cannot be read is told before hours are spent
        shape = Shape(sampling.greedy, sampling.sampled, bool(sources or wide))
        wanted = requirements(asked.require, metrics(shape, asked.k))
        folder = asked.target or chosen.place / "runs" / f"{_slug(opened.name)}-n{asked.n}"
        with progress(f"asking {opened.name}", "tasks") as tell:
            report = run(
                chosen_tasks,
                opened,
                judge.engine,
                home.trees,
                sampling=sampling,
                k=asked.k,
                asking=asking,
                out_dir=folder,
                dataset=chosen.name,
                part=" ".join((asked.part, *sorted(asked.authors))),
                protected=settings.toolchain.protected,
                own_fixes={one.id: OwnFix.of(one) for one in chosen.examples},
                behaviours=_behaviours(home, settings, judge),
                sources=sources,
                searches=wide,
                weigher=weigher_of(settings, opened, trained) if asked.with_search else None,
                progress=lambda done, of, _fixed: tell(done, of),
            )
    page = folder / "report.html"
    write_atomically(page, evaluation_page(home.trees, report, folder, chosen_tasks).encode())
    return Done(report, wanted, folder, page, sum(one.changed_lines > most for one in chosen.examples))


def evaluation_page(store: TreeStore, report: EvalReport, folder: Path, asked: Sequence[Task]) -> str:
    """Return the page of a run: scores and every task."""
    results = ResultsFolder(folder).read()
    views, left_out = task_views(store, asked, results.values(), asking=report.settings.asking)
    told = report.settings
    return render_evaluation(
        ReportData(
            title=f"{told.model}: {report.scored} held-out tasks",
            subtitle=f"{told.dataset}, part {told.part}",
            made=f"greenloop {__version__}, toolchain {told.toolchain[:16]}",
            numbers=tuple(Number(score.name, score_text(score), score.how) for score in report.scores if score.tasks),
            evaluation=report,
            tasks=views,
            tasks_left_out=left_out,
        )
    )


def _limited(found: tuple[Task, ...], limit: int | None) -> tuple[Task, ...]:
    """The tasks to ask, in an order that follows neither time nor author, so that a part is a fair one."""
    by_id = {task.id: task for task in found}
    return tuple(by_id[id_] for id_ in in_order(by_id)[:limit])


def _behaviours(home: Home, settings: Config, judge: Bench) -> Behaviours | None:
    return behaviours(home, settings, judge) if judge.toolchain == "ocaml_file" else None


def _of_dataset(app: App, asked: Asked) -> Chosen:
    assert asked.dataset is not None
    found = load(asked.dataset)
    found.add_trees(app.home.trees)
    examples = found.examples(asked.part)
    return Chosen(app, found.version, by_authors(examples, asked.authors or _people(examples)), asked.dataset)


def _of_sessions(app: App, settings: Config, asked: Asked) -> Chosen:
    assert asked.sessions is not None
    folder = app.home.path / "evals" / digest_of(asked.sessions)[:16]
    own = replace(app, home=Home(folder))
    folder.mkdir(parents=True, exist_ok=True)

    def judge(workspace: Workspace) -> Bench:
        last = own.home.snapshots.last(workspace.id)
        assert last is not None, "a workspace of a file of sessions holds its events"
        return bench(own.home, settings, toolchain_name(own.home, settings, last.tree))

    desk = SessionsDesk(
        folder=folder,
        snapshots=own.home.snapshots,
        store=own.home.trees,
        judge=lambda workspace: judge(workspace).engine,
        suite=Suite.CHECK,
        # what was typed at this machine shapes what a model learns from, never what it is scored on
        rules=rules(settings.mining, Distribution()),
        budget=settings.context.budget_tokens,
        workers=settings.build.workers,
    )
    # whose part an author is in only the whole file tells
    mined = asked.authors if asked.part == EVERYTHING else ()
    with progress(f"mining {asked.sessions.name}", "trees") as tell:
        found = desk.examples(asked.sessions, mined, tell)
    examples = found.part(asked.part)
    return Chosen(own, found.name, by_authors(examples, asked.authors or _people(examples)), Path())


def _people(examples: Sequence[Example]) -> frozenset[str]:
    return frozenset(one.author for one in examples)


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in name)
