"""Mining one workspace again to say what became of it: ``greenloop mine --explain`` and ``--why-dropped``."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.markup import escape

from greenloop.cli import show
from greenloop.cli.app import App
from greenloop.cli.console import out, progress
from greenloop.cli.history import choose
from greenloop.cli.moments import shown_moment
from greenloop.cli.toolchains import judge_for
from greenloop.datasets.load import read_examples
from greenloop.mining.account import Account, Fate
from greenloop.mining.own import Accepted
from greenloop.mining.rules import Rules
from greenloop.mining.sources.episodes import EpisodeSource
from greenloop.mining.why import why
from greenloop.records import Example, InputError, Status, TreeId, Workspace
from greenloop.workspace.edits import render_unified

_NO_MORE = "mined again, its workspace does not give it: the settings or the toolchain are others, or a part was purged"
_MOST_NAMED = 5
_SNAPSHOT = re.compile(r"(.+)#([0-9]{1,18})", re.DOTALL)


def why_dropped(app: App, rules: Rules, named: str, *, as_json: bool) -> None:
    """Say what became of the snapshot ``named``: ``WORKSPACE#SEQ``. Raises ``InputError`` when it is not there."""
    place = _SNAPSHOT.fullmatch(named)
    if place is None:
        raise InputError(f"{named!r} names no snapshot", "write WORKSPACE#NUMBER; `greenloop record log` lists both")
    workspace = _one(choose(app.home.snapshots.workspaces(), place[1]), place[1])
    seq = int(place[2])
    snapshots = tuple(app.home.snapshots.snapshots(workspace.id))
    if all(one.seq != seq for one in snapshots):
        held = f"it has {snapshots[0].seq} to {snapshots[-1].seq}" if snapshots else "it has none"
        raise InputError(f"{workspace.id} has no snapshot {seq}", held)
    found = why(_account(app, rules, workspace), snapshots, seq, app.home.trees)
    if as_json:
        print(json.dumps({**asdict(found), "sentences": list(found.sentences())}))
        return
    out.print(f"[bold]{escape(found.workspace)}#{found.seq}[/], {shown_moment(found.time)}, tree {found.tree}")
    for sentence in found.sentences():
        out.print(f"  {escape(sentence)}")


def explain(app: App, rules: Rules, file: Path, named: str, *, as_json: bool) -> None:
    """Say where the example ``named`` of ``file`` comes from; a prefix of its id is enough where it is the only one.

    Raises ``InputError`` when there is no such file, or not one such example in it.
    """
    example = _example(file, named)
    known = {one.id: one for one in app.home.snapshots.workspaces()}
    account = _account(app, rules, known[example.workspace]) if example.workspace in known else None
    told = _told(app, example, account)
    if as_json:
        print(told.as_json())
    else:
        _show(told)


def _account(app: App, rules: Rules, workspace: Workspace) -> Account:
    """Mine one workspace again; what has its verdict is not judged again."""
    judge = judge_for(app, workspace)
    account = Account(rules)
    with progress(f"judging ({judge.toolchain})", "trees") as report:
        source = EpisodeSource(
            app.home.snapshots,
            judge.engine,
            app.home.trees,
            judge.suite,
            rules=rules,
            accepted=Accepted.read(app.home.trees, app.home.feedback.accepted()),
            workspaces=(workspace,),
            trace=account,
        )
        for _ in source.examples(report):
            # the account alone is wanted: it notes what becomes of everything
            pass
    return account


def _one(found: tuple[Workspace, ...], pattern: str) -> Workspace:
    if len(found) > 1:
        raise InputError(f"{pattern!r} names {len(found)} workspaces: {_listed([one.id for one in found])}", "name one")
    return found[0]


def _example(file: Path, named: str) -> Example:
    if not file.is_file():
        raise InputError(f"{file}: there is no such file", "name the examples that `greenloop mine` wrote by `--out`")
    try:
        examples = read_examples(file)
    except InputError as error:
        raise InputError(error.message, "name a file that `greenloop mine` wrote by `--out`") from error
    found = [one for one in examples if one.id.startswith(named)]
    if not found:
        raise InputError(f"{file}: no example's id begins with {named!r}", "each line of the file has its `id`")
    if len(found) > 1:
        raise InputError(f"{file}: {len(found)} examples begin with {named!r}: {_listed([one.id for one in found])}",
                         "write more of the id")  # fmt: skip
    return found[0]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


@dataclass(frozen=True, slots=True)
class _Line:
    """One state of the episode. ``counts`` says why a red counts; empty where it does not, and of a green."""

    first_seq: int
    last_seq: int
    time: float
    tree: TreeId
    status: str
    error: str
    counts: str
    base: bool
    target: bool


@dataclass(frozen=True, slots=True)
class _Told:
    """What there is to say of one example. ``judged``: base and target → how each judgement of it came out."""

    example: Example
    note: str
    states: tuple[_Line, ...]
    diff: str
    left_out: str
    judged: dict[str, list[str]]

    def as_json(self) -> str:
        """Return it as one JSON object."""
        return json.dumps({**asdict(self), "example": json.loads(self.example.to_json())})


def _told(app: App, example: Example, account: Account | None) -> _Told:
    fate = None if account is None else account.behind(example.id)
    ends = {"base": example.base, "target": example.target}
    verdicts = app.home.verdicts.get_many(ends.values(), example.toolchain, example.suite)
    repeats = app.home.verdicts.repeats(ends.values(), example.toolchain, example.suite)
    whole = example.target if fate is None or fate.mined is None else fate.mined.target
    return _Told(
        example=example,
        note="" if fate is not None else _not_here(example) if account is None else _NO_MORE,
        states=() if account is None or fate is None else tuple(_lines(account, fate)),
        diff=render_unified(app.home.trees, example.base, example.target),
        left_out=render_unified(app.home.trees, example.target, whole),
        judged={
            name: [verdicts[tree].status.value, *(status.value for status in repeats.get(tree, ()))]
            for name, tree in ends.items()
            if tree in verdicts
        },
    )


def _not_here(example: Example) -> str:
    """Say what is known of an example whose workspace has no history here: of a commit, a feature, a broken tree."""
    of = f"; it is of {example.episode}" if example.episode else ""
    return f"no history of {example.workspace} is recorded here{of}"


def _lines(account: Account, fate: Fate) -> Iterator[_Line]:
    run = fate.lesson.run
    for state in (run.before, *run.reds, run.green):
        if state is not None:
            verdict = account.verdict(state)
            error = next(iter(verdict.errors), None)
            yield _Line(
                first_seq=state.first_seq,
                last_seq=state.last_seq,
                time=state.start,
                tree=state.tree,
                status=verdict.status.value,
                error="" if error is None else f"{show.place(error)}: {' '.join(error.message.split())}",
                counts=account.counts(run, state) if state in run.reds else "",
                base=state == fate.lesson.red,
                target=fate.mined is not None and state.tree == fate.mined.target,
            )


def _show(told: _Told) -> None:
    example = told.example
    _line("example", f"{example.id}, {example.origin.value}, {example.changed_lines} changed lines")
    _line("from", f"{example.workspace}, by {example.author}, {shown_moment(example.time)}")
    if told.note:
        _line("note", told.note)
    if told.states:
        _line("episode", f"snapshots {told.states[0].first_seq} to {told.states[-1].last_seq}")
        for state in told.states:
            out.print(f"  {escape(_state(state))}")
    _line("error", "")
    show.errors(example.diagnostics, most=1)
    _line("prompt", example.prompt)
    _line("description", example.description)
    _line("edit", "")
    out.print(show.coloured_diff(told.diff), end="")
    if told.left_out:
        _line("left out", "what the error did not ask for:")
        out.print(show.coloured_diff(told.left_out), end="")
    for name in ("base", "target"):
        _line(name, _judged(told.judged.get(name, [])))


def _state(state: _Line) -> str:
    """Say in one line what a state of the episode was, and whether it counts."""
    end = " (base)" if state.base else " (target)" if state.target else ""
    parts = [f"{state.first_seq} to {state.last_seq}", shown_moment(state.time), state.status + end]
    if state.status == Status.RED:
        parts.append(f"counts: {state.counts}" if state.counts else "does not count")
    return "  ".join([*parts, state.error]).rstrip()


def _line(name: str, text: str) -> None:
    out.print(f"[bold]{name}[/] {escape(text)}".rstrip())


def _judged(statuses: list[str]) -> str:
    if not statuses:
        return "no verdict of its toolchain is stored here"
    alike = "alike" if len(set(statuses)) == 1 else "not alike"
    return f"{statuses[0]}, judged {len(statuses)} times, {alike}"
