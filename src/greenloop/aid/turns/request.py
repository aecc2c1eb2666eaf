"""A request as the engine takes it: the tree it is about, the question, what is known of the errors."""

from collections.abc import Sequence
from dataclasses import dataclass

from greenloop.aid.protocol.base import Encoding
from greenloop.aid.protocol.positions import Columns
from greenloop.aid.protocol.session import BuildState, Problem
from greenloop.aid.protocol.turns import Place as Spot
from greenloop.aid.protocol.turns import TurnStart
from greenloop.aid.workspaces.workspace import Workspace
from greenloop.assists.fix import PROMPT
from greenloop.prompts.conversation import Exchange
from greenloop.prompts.question import Place, Question
from greenloop.records import Category, Diagnostic, EditError, InputError, Refused, Severity, TreeId
from greenloop.workspace.edits import check_path
from greenloop.workspace.overlay import lay_over
from greenloop.workspace.store import TreeStore

_MOST_FILES = 8
"""So many files are named to the context as those that a question is about."""


@dataclass(frozen=True)
class Asked:
    """A turn to be made. ``earlier`` is what the conversation held before, oldest first."""

    turn: str
    conversation: str
    params: TurnStart
    encoding: Encoding
    earlier: Sequence[Exchange] = ()


@dataclass(frozen=True)
class Taken:
    """What a turn is about. ``disk`` is the tree without the buffers.

    ``told`` says whether the question's diagnostics are known, by the build or by what the editor showed.
    """

    disk: TreeId
    question: Question
    told: bool
    notes: tuple[str, ...]


def take(store: TreeStore, workspace: Workspace, params: TurnStart, encoding: Encoding) -> Taken:
    """Return what ``params`` asks for, on the workspace's newest tree with the buffers over it.

    Raises ``Refused`` when a buffer's path is refused, or the place's, with the reason of the ``EditError`` as code,
    ``InputError`` when nothing was asked.
    """
    if params.kind == "ask" and not params.prompt.strip():
        raise InputError("nothing was asked", "say what should change")
    place = None if params.whole_project else params.place
    try:
        named = [*(buffer.path for buffer in params.buffers), *((place.path,) if place is not None else ())]
        workspace.disk.hint(*map(check_path, named))
        disk = workspace.disk.tree()
        buffers = {buffer.path: buffer.text for buffer in params.buffers}
        laid = lay_over(store, disk, buffers, workspace.root, workspace.screen)
    except EditError as error:
        raise Refused(error.reason, error.message, error.way_out) from error
    tree = laid.tree
    notes = [f"{path} is left out: {why}" for path, why in laid.left_out]
    spot = None
    if place is not None and store.entry(tree, place.path) is None:
        notes.append(f"{place.path} is no file of the project, so the request is taken to be about all of it")
    elif place is not None:
        spot = _spot(store, tree, place, encoding)
    standing = workspace.standing
    known = standing.told_of == tree and standing.state in {BuildState.GREEN, BuildState.RED}
    diagnostics = standing.diagnostics if known else _seen(store, tree, params.seen, encoding)
    here = place.path if place is not None and store.entry(tree, place.path) is not None else ""
    # the person's own file comes first: its errors are what "that error" means
    diagnostics = tuple(sorted(diagnostics, key=lambda one: one.path != here)) if here else diagnostics
    unsaved = [change.path for change in store.changes(disk, tree) if change.new is not None]
    question = Question(
        tree, params.prompt.strip() or PROMPT, diagnostics, focus_of(store, tree, diagnostics, here, *unsaved), spot
    )
    return Taken(disk, question, known or bool(diagnostics), tuple(notes))


def focus_of(store: TreeStore, tree: TreeId, diagnostics: Sequence[Diagnostic], *paths: str) -> tuple[str, ...]:
    """Return the files that a question is about: ``paths``, then those with errors, most important first.

    A change of an interface is mended in the files that break by it, so they have to be seen.
    """
    wrong = [one.path for one in diagnostics if one.severity is Severity.ERROR and one.path is not None]
    found = dict.fromkeys(path for path in (*paths, *wrong) if path and store.entry(tree, path) is not None)
    return tuple(found)[:_MOST_FILES]


def _spot(store: TreeStore, tree: TreeId, place: Spot, encoding: Encoding) -> Place | None:
    """Return the lines that a place names; ``None`` where it names a file alone."""
    columns = Columns((store.read(tree, place.path) or b"").decode("utf-8", "replace"), encoding)
    if place.selection is not None:
        first, _ = columns.inside(place.selection.start)
        last, column = columns.inside(place.selection.end)
        # a selection that ends where a line begins does not hold that line
        return Place(place.path, first, max(first, last - (column == 0)))
    if place.cursor is not None:
        line, _ = columns.inside(place.cursor)
        return Place(place.path, line, line)
    return None


def _seen(store: TreeStore, tree: TreeId, seen: Sequence[Problem], encoding: Encoding) -> tuple[Diagnostic, ...]:
    found = []
    for problem in seen:
        content = store.read(tree, problem.path) if problem.path is not None else None
        if problem.path is not None and content is None:
            continue
        span = None
        if problem.range is not None and content is not None:
            span = Columns(content.decode("utf-8", "replace"), encoding).span_of(problem.range)
        found.append(
            Diagnostic(
                severity=problem.severity,
                category=Category.OTHER,
                message=problem.message,
                path=problem.path,
                span=span,
            )
        )
    return tuple(found)
