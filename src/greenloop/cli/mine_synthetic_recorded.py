"""``greenloop mine --synthetic --workspace``: the last green tree of recorded workspaces, broken on purpose.

Each example carries its workspace's author, so that what is made of a person's code stays on that person's side of a
split.
"""

import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import typer
from rich.markup import escape

from greenloop.builds.judge import Judge
from greenloop.cli.app import App
from greenloop.cli.config import Config
from greenloop.cli.console import out, progress
from greenloop.cli.history import choose
from greenloop.cli.mine_synthetic import COUNT, Wanted, mix_of
from greenloop.cli.mined import Written, funnel_file, group, write_mined
from greenloop.cli.prompting import prompted, tell_of_model
from greenloop.cli.show import table
from greenloop.cli.toolchains import bench, toolchain_name
from greenloop.mining.dropped import LeftOut
from greenloop.mining.funnel import Funnel, united
from greenloop.mining.rules import Rules
from greenloop.mining.sources.synthetic import SyntheticSource
from greenloop.mining.synthetic.plan import Plan
from greenloop.records import Example, InputError, Suite, TreeId, Workspace

_LATELY = 40
"""So many of a workspace's last snapshots are looked at to find a green one."""


def mine_recorded(
    app: App, settings: Config, rules: Rules, wanted: Wanted, patterns: Sequence[str], target: Path, *, as_json: bool
) -> None:
    """Break the last green tree of each workspace that ``patterns`` name; the examples are shared out evenly.

    Raises ``InputError`` when a pattern names no workspace, or none of them was green lately.
    """
    everything = app.home.snapshots.workspaces()
    chosen = tuple(dict.fromkeys(one for pattern in patterns for one in choose(everything, pattern)))
    total = COUNT if wanted.count is None else wanted.count
    mix, began = mix_of(wanted), time.monotonic()
    broken: list[_Broken] = []
    dropped: list[LeftOut] = []
    with progress("breaking and judging", "workspaces") as report:
        for number, workspace in enumerate(chosen):
            report(number, len(chosen))
            # what one could not give, those behind it make up for
            count = -(-(total - sum(len(one.examples) for one in broken)) // (len(chosen) - number))
            plan = Plan(
                count=count,
                seed=wanted.seed or 0,
                mix=mix,
                deepest=Suite.CHECK,
                workspace=f"synthetic: {workspace.id}",
                author=workspace.author,
                rules=rules,
            )
            broken.append(
                _break(app, settings, workspace, plan, dropped) if count else _Broken(workspace.id, "", count)
            )
    if not any(one.toolchain for one in broken):
        raise InputError("none of these workspaces was green lately", "a break of a red tree proves nothing")
    _write(app, settings, target, broken, dropped, total, (time.monotonic() - began) / 60, as_json=as_json)


def _write(
    app: App,
    settings: Config,
    target: Path,
    broken: Sequence["_Broken"],
    dropped: Sequence[LeftOut],
    total: int,
    minutes: float,
    *,
    as_json: bool,
) -> None:
    examples, prompts = prompted(app.home, settings, [example for one in broken for example in one.examples])
    written = Written.of(examples)
    counts = {
        "verified": written.count,
        "wanted": total,
        "categories": dict(sorted(written.categories.items())),
        "workspaces": {one.workspace: len(one.examples) for one in broken},
        "prompts": prompts,
        "groups": list(_groups(broken)),
    }
    funnel = united(one.funnel for one in broken)
    write_mined(target, examples, counts, dropped=dropped, funnel=funnel)
    rate = written.count / minutes if minutes else 0.0
    if as_json:
        print(json.dumps({**counts, "minutes": round(minutes, 2), "per_minute": round(rate, 1)}))
    else:
        rows = [(one.workspace, str(len(one.examples)), one.note) for one in broken]
        table("examples", ("workspace", "proven", ""), rows)
        out.print(f"[bold]{written.count} verified examples[/] of {total}, {rate:.0f} a minute")
        tell_of_model(prompts)
        out.print(f"Written to {escape(str(target))} and {escape(str(funnel_file(target)))}.")
    if not written.count:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Broken:
    """What became of one workspace; no toolchain where it was not green."""

    workspace: str
    toolchain: str
    wanted: int
    fingerprint: str = ""
    examples: tuple[Example, ...] = ()
    funnel: Funnel = field(default_factory=lambda: Funnel(steps=()))

    @property
    def note(self) -> str:
        if not self.toolchain:
            return "not green lately" if self.wanted else "enough without it"
        return "nothing left to break" if len(self.examples) < self.wanted else ""


def _break(app: App, settings: Config, workspace: Workspace, plan: Plan, dropped: list[LeftOut]) -> _Broken:
    last = app.home.snapshots.last(workspace.id)
    if last is None:
        return _Broken(workspace.id, "", plan.count)
    name = toolchain_name(app.home, settings, last.tree)
    judge = bench(app.home, settings, name, widest=True)
    tree = _green(app, judge.engine, workspace)
    if tree is None:
        return _Broken(workspace.id, "", plan.count)
    source = SyntheticSource(
        app.home.trees, judge.engine, tree, replace(plan, deepest=judge.suite), note=dropped.append
    )
    found = tuple(source.examples())
    return _Broken(workspace.id, name, plan.count, judge.engine.fingerprint, found, source.funnel())


def _green(app: App, judge: Judge, workspace: Workspace) -> TreeId | None:
    """Return the newest green tree of the last ones."""
    last = deque((one.tree for one in app.home.snapshots.snapshots(workspace.id)), maxlen=_LATELY)
    return next((tree for tree in dict.fromkeys(reversed(last)) if judge.judge(tree, Suite.CHECK).green), None)


def _groups(broken: Sequence[_Broken]) -> Iterator[dict[str, object]]:
    """Yield what the counts tell of each toolchain."""
    for key in dict.fromkeys((one.toolchain, one.fingerprint) for one in broken if one.toolchain):
        held = [one for one in broken if (one.toolchain, one.fingerprint) == key]
        categories = Written.of([example for one in held for example in one.examples]).categories
        yield group(*key, categories, united(one.funnel for one in held))
