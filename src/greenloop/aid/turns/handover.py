"""Handing an accepted suggestion over for writing: only what is laid on the very text that will be replaced.

the file now (the editor's buffer, else the disk) is the base ─> the hunks as they are
else each hunk has its one place in the new text ─────────────> laid there, judged anew, ``rebased``
else ─────────────────────────────────────────────────────────> the fault ``stale``
"""

from collections.abc import Sequence
from dataclasses import dataclass

from greenloop.aid.protocol.base import Encoding
from greenloop.aid.protocol.turns import FileText, Handover, SuggestionAccept
from greenloop.aid.turns.judging import UNTRUSTED
from greenloop.aid.turns.presenting import Known, hunk_of, label
from greenloop.aid.workspaces.workspace import Workspace, problems
from greenloop.assists.suggestion import badge
from greenloop.builds.stop import Stop
from greenloop.records import (
    Badge,
    EditError,
    InfrastructureError,
    Refused,
    Status,
    TreeId,
    Verdict,
)
from greenloop.workspace.edits.line_changes import (
    LineChange,
    chosen,
    relaid,
    text_after,
    texts_of,
    tree_after,
)
from greenloop.workspace.overlay import lay_over, refuse_links
from greenloop.workspace.store import Mode, TreeStore

WAY_OUT = "ask again on the new text"


@dataclass(frozen=True)
class Ground:
    """What a turn was about: the ``tree`` that it asked about, and the ``disk`` without the unsaved buffers."""

    disk: TreeId
    tree: TreeId


@dataclass(frozen=True)
class Given:
    """What was handed over: the answer, and from which tree to which it leads."""

    handover: Handover
    base: TreeId
    result: TreeId
    hunks: tuple[str, ...]


def hand_over(
    store: TreeStore,
    workspace: Workspace,
    ground: Ground,
    known: Known,
    params: SuggestionAccept,
    *,
    acceptance: str,
    encoding: Encoding,
    stop: Stop,
) -> Given:
    """Return what is to be written for the hunks that were chosen.

    Raises ``Refused`` with ``stale`` where a text has changed too much, with the reason of an ``EditError`` where a
    path may not be written (``outside-tree``, ``vcs-path``, ``link``) or a hunk is unknown (``no-hunk``).
    """
    try:
        wanted = chosen(known.changes, params.hunks)
        base, moved = _present(store, workspace, ground, wanted, params)
        laid = tuple(relaid(change, text) for change, text in moved)
        result = tree_after(store, base, laid)
    except EditError as error:
        raise Refused(error.reason, error.message, error.way_out or WAY_OUT) from error
    rebased = base != ground.tree
    verdict, why = known.attempt.verdict, known.attempt.detail
    if result != known.attempt.result or verdict is None:
        verdict, why = _judge(workspace, base, result, stop)
    handover = Handover(
        acceptance=acceptance,
        files=tuple(file for change in laid for file in _files(store, result, change)),
        badge=badge(verdict) if verdict is not None else Badge.UNVERIFIED,
        label=label(verdict, why),
        problems=problems(store, result, verdict.errors, encoding) if verdict is not None else (),
        rebased=rebased,
    )
    return Given(handover, base, result, tuple(one for change in wanted for one in change.ids))


def _present(
    store: TreeStore, workspace: Workspace, ground: Ground, wanted: Sequence[LineChange], params: SuggestionAccept
) -> tuple[TreeId, tuple[tuple[LineChange, str | None], ...]]:
    """Return the tree that was asked about as it is now, and the text of each file that is to be changed.

    Buffers that were unsaved at the request are taken to be as they were then, unless they are given anew.
    """
    paths = {path for change in wanted for path in (change.path, change.new_path) if path is not None}
    workspace.disk.hint(*paths)
    disk = workspace.disk.tree()
    for path in paths:
        refuse_links(store, disk, path, workspace.root)
    unsaved = {change.path for change in store.changes(ground.disk, ground.tree)}
    given = {buffer.path: buffer.text for buffer in params.buffers}
    # what is to be written and is not open in the editor comes from the disk, whatever was unsaved before
    fresh = {
        change.path: change.new
        for change in store.changes(ground.disk, disk)
        if change.path not in unsaved or change.path in paths
    }
    fresh |= {path: store.entry(disk, path) for path in paths & unsaved}
    moved = {path: entry for path, entry in fresh.items() if store.entry(ground.tree, path) != entry}
    base = store.update(ground.tree, moved) if moved else ground.tree
    now = {path: text for path, text in given.items() if path in paths}
    base = lay_over(store, base, now, workspace.root).tree
    _refuse_strangers(store, workspace, base, wanted)
    texts = texts_of(store, base, wanted)
    return base, tuple((change, texts[change.path]) for change in wanted)


def _refuse_strangers(store: TreeStore, workspace: Workspace, base: TreeId, wanted: Sequence[LineChange]) -> None:
    """Raise ``EditError`` where a file is to be created at a path at which something lies that is not in the tree."""
    for change in wanted:
        target = change.new_path if change.kind == "rename" else change.path if change.kind == "create" else None
        if target is not None and store.entry(base, target) is None and (workspace.root / target).exists():
            raise EditError(f"{target}: exists already, outside of the project's tree", WAY_OUT, reason="stale")


def _judge(workspace: Workspace, base: TreeId, result: TreeId, stop: Stop) -> tuple[Verdict | None, str]:
    build = workspace.build(base)
    if build is None:
        return None, UNTRUSTED
    try:
        verdict = workspace.judge(build, stop).judge(result, build.rules.suite)
    except InfrastructureError as error:
        return None, str(error)
    return (verdict, "") if verdict.status is not Status.INFRA_ERROR else (None, verdict.note)


def _files(store: TreeStore, result: TreeId, change: LineChange) -> tuple[FileText, ...]:
    text = text_after(change)
    entry = store.entry(result, change.new_path or change.path)
    executable = entry is not None and entry.mode is Mode.EXECUTABLE
    hunks = tuple(hunk_of(hunk) for hunk in change.hunks)
    if change.kind == "rename":
        assert change.new_path is not None
        return (
            FileText(path=change.path, base_sha256=change.base_sha256, text=None),
            FileText(path=change.new_path, base_sha256=None, text=text, executable=executable),
        )
    told = FileText(path=change.path, base_sha256=change.base_sha256, text=text, hunks=hunks, executable=executable)
    return (told,)
