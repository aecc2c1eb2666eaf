"""Turns to the shelf and back: of one that comes back nothing is taken on trust, it is judged anew."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from greenloop.aid.metrics.recording import Recording
from greenloop.aid.turns.decisions import Decidable
from greenloop.aid.turns.handover import Ground
from greenloop.aid.turns.journal import Journal, Told
from greenloop.aid.turns.pool import MOST_TOLD
from greenloop.aid.turns.presenting import Known, known_of
from greenloop.aid.turns.shelf import Shelf, Shelved, ShelvedSuggestion
from greenloop.aid.workspaces.workspace import Workspace
from greenloop.workspace.edits.line_changes import line_changes
from greenloop.workspace.store import TreeStore


def shelved(told: Told, workspace: str, ground: Ground, order: Sequence[Known], decided: Decidable) -> Shelved:
    """Return what is kept of a turn: the suggestions that were told, without the model's words."""
    return Shelved(
        turn=told.turn,
        task=told.task,
        client=told.client,
        kind=told.kind,
        model=told.model,
        strategy=told.strategy,
        context=told.context,
        arms=dict(told.arms),
        workspace=workspace,
        disk=ground.disk,
        tree=ground.tree,
        suggestions=tuple(
            ShelvedSuggestion(
                attempt=known.attempt.model_copy(update={"reply": None}),
                source=known.source,
                repaired=known.repaired,
                handed=tuple(sorted(decided.handed.get(known.id, ()))),
            )
            for known in order[:MOST_TOLD]
        ),
        given=dict(decided.given),
    )


def restored(
    kept: Shelved,
    shelf: Shelf,
    store: TreeStore,
    workspace: Workspace,
    recording: Recording,
    recorded_as: Callable[[], str],
) -> Decidable:
    """Return a turn of an earlier sidecar, to decide about."""
    told = Told(kept.turn, kept.task, kept.client, kept.kind, kept.model, kept.strategy, kept.context, kept.arms)
    ground = Ground(kept.disk, kept.tree)
    order = tuple(_known(store, kept, one) for one in kept.suggestions)

    def keep() -> None:
        shelf.put(lambda: shelved(told, kept.workspace, ground, order, made))

    made = Decidable(
        kept.turn, kept.task, workspace, Journal(recording, told, recorded_as), lambda: ground, lambda: order, keep
    )
    made.handed |= {known.id: set(one.handed) for known, one in zip(order, kept.suggestions, strict=True)}
    made.given |= kept.given
    return made


def _known(store: TreeStore, kept: Shelved, one: ShelvedSuggestion) -> Known:
    attempt = one.attempt
    assert attempt.result is not None
    changes = line_changes(store, kept.tree, attempt.result, attempt.edit)
    known = known_of(kept.tree, attempt, changes, source=one.source, repaired=one.repaired)
    # the badge is what the person saw; what is handed over is judged anew, by the build as it is now
    return replace(known, attempt=attempt.model_copy(update={"verdict": None}))
