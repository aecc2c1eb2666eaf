"""``greenloop mine --commits``: examples from the history of a repository."""

import json
import time
from pathlib import Path

from rich.markup import escape

from greenloop.cli.app import App
from greenloop.cli.config import Config
from greenloop.cli.console import out, progress
from greenloop.cli.mined import Written, funnel_file, group, rows, write_mined
from greenloop.cli.prompting import prompted, tell_of_model
from greenloop.cli.show import table
from greenloop.cli.toolchains import bench, toolchain_name
from greenloop.cli.turns import folder_name, project_root
from greenloop.mining.commits.trees import CommitTrees
from greenloop.mining.dropped import LeftOut
from greenloop.mining.filters import UNIT as CANDIDATES
from greenloop.mining.funnel import Funnel
from greenloop.mining.own import Accepted
from greenloop.mining.rules import Rules
from greenloop.mining.sources.commits import UNIT, CommitSource
from greenloop.mining.sources.features import PIECES
from greenloop.records import InputError
from greenloop.workspace.vcs import open_history


def mine_commits(
    app: App, settings: Config, rules: Rules, revisions: str, most: int, target: Path, *, as_json: bool
) -> None:
    """Mine the commits of the repository at hand into ``target`` and the files beside it.

    ``revisions`` and ``most`` are those of ``workspace.vcs.open_history``. The toolchain is the one for the newest
    commit. Raises ``InputError`` when there is no such history.
    """
    root = project_root(Path())
    history = open_history(root, revisions, most)
    store = app.home.trees
    trees = CommitTrees(root, store, max_file_bytes=settings.record.max_file_bytes)
    with trees.reading():
        newest = trees.of(history.tip)
    if newest is None:
        raise InputError(f"{root}: the newest commit has no such folder", "commit it first, or name other revisions")
    judge = bench(app.home, settings, toolchain_name(app.home, settings, newest))
    began = time.monotonic()
    dropped: list[LeftOut] = []
    source = CommitSource(
        history,
        trees,
        store,
        judge.engine,
        judge.suite,
        workspace=folder_name(root),
        rules=rules,
        accepted=Accepted.read(app.home.trees, app.home.feedback.accepted()),
        note=dropped.append,
    )
    with progress(f"judging ({judge.toolchain})", "commits") as report:
        found = tuple(source.examples(report))
    examples, prompts = prompted(app.home, settings, found)
    funnel, written = source.funnel(), Written.of(examples)
    counts = _counts(funnel, written)
    counts["prompts"] = prompts
    counts["groups"] = [group(judge.toolchain, judge.engine.fingerprint, written.categories, funnel)]
    write_mined(target, examples, counts, dropped=dropped, funnel=funnel)
    if as_json:
        print(json.dumps({**counts, "minutes": round((time.monotonic() - began) / 60, 2)}))
        return
    table(f"{judge.toolchain}: {counts['commits']} commits", ("rule", "dropped", "left"), list(rows(funnel)))
    what = ", ".join(f"{count} {name}" for name, count in sorted(written.categories.items()))
    out.print(f"[bold]{written.count} verified examples[/]" + (f": {what}" if what else ""))
    out.print(f"Written to {escape(str(target))} and {escape(str(funnel_file(target)))}.")
    tell_of_model(prompts)


def _counts(funnel: Funnel, written: Written) -> dict[str, object]:
    return {
        "commits": funnel.seen(UNIT),
        "mined": funnel.seen(CANDIDATES) + funnel.seen(PIECES),
        "verified": written.count,
        "origins": dict(sorted(written.origins.items())),
    }
