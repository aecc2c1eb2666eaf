"""Which fixes become examples: each rule one function, each with the name under which its drops are counted."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from greenloop.builds import lint
from greenloop.builds.fixed import error_left, first_error, names_lost
from greenloop.mining.changed import ChangedFile, changed_files
from greenloop.mining.episodes import is_red
from greenloop.mining.holes import filled, holes
from greenloop.mining.rules import Rules
from greenloop.records import Edit, EditError, Origin, Rung, Verdict
from greenloop.workspace.edits import apply, changed_lines, edit_between
from greenloop.workspace.store import TreeStore
from greenloop.workspace.tokens import tokens


class Candidate:
    """A pair of trees that may become an example. What it is asked for is read once."""

    def __init__(self, store: TreeStore, base: Verdict, target: Verdict, origin: Origin, *, accepted: bool) -> None:
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


@dataclass(frozen=True, slots=True)
class Filter:
    """``drops`` says whether the candidate must not become an example."""

    name: str
    drops: Callable[[Candidate], bool]


_WORD = re.compile(rb"[A-Za-z_\x80-\xff]")
_STEPS = frozenset({Origin.EARLIER, Origin.SUBFIX})
"""What a person did on the way: more goes on there than the error asks for, so less is believed."""

_CHANGES = frozenset({Origin.COMMIT, Origin.FEATURE})
"""What may begin green: nothing was wrong, and somebody went on."""

_FIXES = _STEPS | {Origin.EPISODE}
"""What a person did because of an error."""

_APART = 5
"""Unchanged lines between two hunks that make two places of them."""

UNIT = "candidates"
UNPROVEN = "not proven by verdicts"
OWN = "written by Greenloop"
DUPLICATE = "duplicate of an earlier example"
LEAKING = "no prompt without hindsight"
FLAKY = "flaky: judged again, it came out otherwise"
"""What is counted under these names; the last three are no filters of a pair alone."""


def filters(rules: Rules) -> tuple[Filter, ...]:
    """Return the filters in order."""
    return (Filter(UNPROVEN, _unproven), *keeping(rules))


def keeping(rules: Rules) -> tuple[Filter, ...]:
    """Return, in order, those that look at the change alone, whatever its ends were proven to be."""
    return (
        Filter(OWN, lambda pair: pair.accepted),
        Filter("layout or comments only", lambda pair: all(file.format_only for file in pair.files)),
        Filter("not UTF-8 text, or a link", lambda pair: not all(file.text for file in pair.files)),
        Filter("a generated file", lambda pair: any(file.generated for file in pair.files)),
        Filter(
            f"over {rules.max_changed_lines} changed lines", lambda pair: pair.changed_lines > rules.max_changed_lines
        ),
        Filter(
            f"a step of over {rules.max_step_lines} changed lines",
            lambda pair: pair.origin in _STEPS and pair.changed_lines > rules.max_step_lines,
        ),
        Filter("a step in several places", lambda pair: pair.origin in _STEPS and _places(pair) > 1),
        Filter("a step that drops a top-level name", lambda pair: pair.origin in _STEPS and _drops_a_name(pair)),
        Filter("a step that only takes away", lambda pair: pair.origin in _STEPS and _only_takes_away(pair)),
        Filter("a step whose own lines are wrong", lambda pair: pair.origin is Origin.SUBFIX and _errs_itself(pair)),
        Filter("a fix by a stub or by deleting", lambda pair: pair.origin in _FIXES and _is_cheap(pair)),
        Filter("a fix that finishes unfinished code", lambda pair: pair.origin in _FIXES and _fills_a_hole(pair)),
        Filter("no exact edit", lambda pair: pair.edit is None),
    )


def _unproven(pair: Candidate) -> bool:
    same = (pair.base.toolchain, pair.base.suite) == (pair.target.toolchain, pair.target.suite)
    if not same or not (is_red(pair.base) or (pair.base.green and pair.origin in _CHANGES)):
        return True
    if pair.origin is Origin.SUBFIX:
        return bool(error_left(pair.store, pair.base, pair.target))
    return not pair.target.green


def _places(pair: Candidate) -> int:
    """In how many places lines changed: hunks that a few unchanged lines part are one."""
    places = 0
    for file in pair.files:
        last = -_APART - 1
        for hunk in file.hunks:
            places += hunk.start - last > _APART
            last = hunk.end
    return places


def _drops_a_name(pair: Candidate) -> bool:
    return bool(names_lost(pair.store, pair.base.tree, pair.target.tree))


def _only_takes_away(pair: Candidate) -> bool:
    """Whether names go and nothing comes: the error went with the code that it was in."""
    gone: Counter[bytes] = Counter()
    come: Counter[bytes] = Counter()
    for file in pair.files:
        old, new = (Counter(tokens(side or b"", file.language)) for side in (file.old, file.new))
        gone += old - new
        come += new - old
    return not come and any(_WORD.match(token) for token in gone)


def _errs_itself(pair: Candidate) -> bool:
    """Whether the error that a step left, or made, stands in lines that the step wrote."""
    error = first_error(pair.target)
    file = next((file for file in pair.files if file.path == error.path), None)
    if file is None or error.span is None:
        return False
    return any(hunk.new_start < error.span.line <= hunk.new_end for hunk in file.hunks)


def _fills_a_hole(pair: Candidate) -> bool:
    sides = ((file.old, file.new or b"", file.language) for file in pair.files if file.old is not None)
    return any(holes(old, of) > holes(new, of) or filled(old, new, of) for old, new, of in sides)


def _is_cheap(pair: Candidate) -> bool:
    return bool(lint.flags(pair.store, pair.base.tree, pair.target.tree))
