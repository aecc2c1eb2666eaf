"""A pair of trees that may become an example, with what rules ask of it, each found once."""

from functools import cached_property

from greenloop.builds.fixed import first_error
from greenloop.mining.changed import ChangedFile, changed_files
from greenloop.mining.own import Accepted
from greenloop.mining.shrinking import mended
from greenloop.records import Diagnostic, Edit, EditError, Origin, Rung, Verdict
from greenloop.workspace.edits import apply, changed_lines, edit_between
from greenloop.workspace.store import TreeStore

STEPS = frozenset({Origin.EARLIER, Origin.SUBFIX, Origin.SHRINKING})
"""What a person did on the way: more goes on there than the error asks for, so less is believed."""

CHANGES = frozenset({Origin.COMMIT, Origin.FEATURE})
"""What may begin green: nothing was wrong, and somebody went on."""

FIXES = STEPS | {Origin.EPISODE}
"""What a person did because of an error."""


class Candidate:
    """The step from ``base`` to ``target``. ``accepted`` is what people took over from Greenloop."""

    def __init__(self, store: TreeStore, base: Verdict, target: Verdict, origin: Origin, *, accepted: Accepted) -> None:
        self.store = store
        self.base = base
        self.target = target
        self.origin = origin
        self.accepted = accepted

    @cached_property
    def files(self) -> tuple[ChangedFile, ...]:
        """The files that differ."""
        return changed_files(self.store.changes(self.base.tree, self.target.tree), self.store.read_blob)

    @cached_property
    def shown(self) -> tuple[Diagnostic, ...]:
        """What is asked about: all that was said of the base, but of a step that shrank its errors, those that went."""
        if self.origin is Origin.SHRINKING:
            return mended(self.base, self.target)
        return self.base.diagnostics

    @property
    def error(self) -> Diagnostic | None:
        """The error that is asked about first; ``None`` where the base is green. Ask once it is known to be proven."""
        if self.base.green:
            return None
        return self.shown[0] if self.origin is Origin.SHRINKING else first_error(self.base)

    @cached_property
    def changed_lines(self) -> int:
        """The size of the change, as everywhere in Greenloop."""
        return changed_lines(self.store, self.base.tree, self.target.tree)

    @cached_property
    def edit(self) -> Edit | None:
        """The minimal edit from base to target if it applies exactly and gives exactly the target, else ``None``."""
        try:
            edit = edit_between(self.store, self.base.tree, self.target.tree)
            applied = apply(self.store, self.base.tree, edit)
        except EditError:
            # a mode changed, or a path that no edit may name: such a change cannot be taught
            return None
        exact = applied.rung is Rung.EXACT and applied.tree == self.target.tree
        return edit if exact else None
