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
from greenloop.workspace.edits import apply
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
    applied = apply(store, base, edit)
    result, restored = put_back(store, base, applied.tree, protected=protected, allowed=allowed)
    return Landed(applied.tree, result, restored, applied.rung, mistrust(store, base, result, restored))


def put_back(
    store: TreeStore, base: TreeId, applied: TreeId, *, protected: Sequence[str], allowed: Collection[str] = ()
) -> tuple[TreeId, tuple[str, ...]]:
    """Return the tree that is judged when an edit leads to ``applied``, and the paths that were put back: see ``land``.

    Quick, while ``mistrust`` reads every changed file: a caller in a hurry starts the tools between the two.
    """
    free = [
        change.path
        for change in store.changes(base, applied)
        if change.path in allowed or matches(change.path, allowed)
    ]
    return restore(store, base, applied, protected, allowed=free)


def mistrust(store: TreeStore, base: TreeId, result: TreeId, restored: Collection[str]) -> tuple[str, ...]:
    """Return the flags of an edit that leads from ``base`` to ``result``: see ``Landed``."""
    tamper = ("tamper",) if restored else ()
    removed = ("name-removed",) if names_lost(store, base, result) else ()
    return tamper + lint.flags(store, base, result) + removed
