"""Who judges for training: the toolchain of this machine, or an evaluation service."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from greenloop.builds.judge import Judge
from greenloop.ces.client import Client
from greenloop.ces.remote_judge import RemoteJudge
from greenloop.cli.app import App
from greenloop.cli.ces_places import tokens
from greenloop.cli.toolchains import behaviours, bench, toolchain_name
from greenloop.datasets.load import EVERYTHING, load
from greenloop.records import InputError
from greenloop.training.bench import Bench
from greenloop.training.verdict_sections import VerdictSection


@contextmanager
def training_bench(app: App, wanted: VerdictSection) -> Iterator[Callable[[Path], Bench]]:
    """Give what opens the judge of a dataset folder; what it opened is closed at the end of the block."""
    settings = app.settings(Path())
    held = tokens(settings, None) if wanted.ces else None
    opened: list[Client] = []

    def of(dataset: Path) -> Bench:
        found = load(dataset)
        found.add_trees(app.home.trees)
        example = next(iter(found.examples(EVERYTHING)), None)
        if example is None:
            raise InputError(f"{dataset}: a dataset without an example", "mine more")
        own = bench(app.home, settings, toolchain_name(app.home, settings, example.base))
        judge: Judge = own.engine
        if wanted.ces:
            token = held.first if held is not None else ""
            client = Client(wanted.ces, token=token, seconds=wanted.seconds, tries=wanted.tries)
            opened.append(client)
            judge = RemoteJudge(client, app.home.trees, revision=wanted.revision)
        runner = behaviours(app.home, settings, own) if wanted.same and own.toolchain == "ocaml_file" else None
        return Bench(app.home.trees, judge, runner, settings.toolchain.protected)

    try:
        yield of
    finally:
        for client in opened:
            client.close()
