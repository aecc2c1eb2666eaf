"""Where an edit lands: applied, with what it may not change put back, and with the reasons for mistrust.

What a judged edit leads to is decided here and nowhere else: the assistants' candidates and the evaluation service
see the same tree for the same edit (invariant 7).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from greenloop.builds import lint
from greenloop.builds.fixed import names_lost
from greenloop.builds.protect import matches, restore
from greenloop.records import Edit, Rung, TreeId
from greenloop.workspace.edits import Applied, apply
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True, slots=True)
class Landed:
    """``applied`` is where the edit itself leads, ``result`` the same with protected files as in the base.

    ``restored`` are the paths that were put back, sorted; ``flags`` starts with ``tamper`` when there are any, then
    come those of ``builds.lint``, then ``name-removed`` when a top-level name is gone.
    """

    applied: TreeId
    result: TreeId
    restored: tuple[str, ...]
    rung: Rung
    flags: tuple[str, ...]


def land(
    store: TreeStore, base: TreeId, edit: Edit, *, protected: Sequence[str], allowed: Collection[str] = ()
) -> Landed:
    """Return where ``edit`` leads from ``base``.

    ``protected`` and ``allowed`` hold globs (see ``builds.protect.matches``) or paths; what is allowed may change
    though it is protected. Raises ``EditError`` when the edit does not apply, ``InputError`` when ``base`` is unknown.
    """
    return settle(store, base, apply(store, base, edit), protected=protected, allowed=allowed)


def settle(
    store: TreeStore, base: TreeId, applied: Applied, *, protected: Sequence[str], allowed: Collection[str] = ()
) -> Landed:
    """The same for an edit that was applied before."""
    free = [
        change.path
        for change in store.changes(base, applied.tree)
        if change.path in allowed or matches(change.path, allowed)
    ]
    result, restored = restore(store, base, applied.tree, protected, allowed=free)
    tamper = ("tamper",) if restored else ()
    removed = ("name-removed",) if names_lost(store, base, result) else ()
    return Landed(applied.tree, result, restored, applied.rung, tamper + lint.flags(store, base, result) + removed)
