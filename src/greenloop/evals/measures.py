"""The three measures of an attempt, which stand together always: type-checking alone is a weak one.

- *fixed*: the error is gone and honestly so, by ``builds.fixed.assess``.
- *same*: fixed, green, and run by the OCaml top level the program prints the same results as the person's own fix (see
  ``builds.behaviour`` for what counts). Only on whole-file tasks: where the person's own result is green, and a program
  of one file. A task whose own program reads the clock, files, arguments or a random seed, or does not print the same
  twice, is quarantined: it has no *same*, and is told apart.
- *exact*: the person's own fix: every file has the same tokens, comments and strings included; white space aside.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from greenloop.builds.behaviour import Behaviour, program, reads_environment
from greenloop.builds.behaviour_store import Behaviours
from greenloop.builds.judge import Judge
from greenloop.candidates.attempt import Attempt
from greenloop.candidates.ranking import distinct, ranked
from greenloop.evals.results import Marks
from greenloop.records import Example, Origin, Suite, TreeId
from greenloop.workspace.edits import lexing
from greenloop.workspace.store import TreeStore

TWICE = "it does not print the same twice"


@dataclass(frozen=True, slots=True)
class OwnFix:
    """What the person did: the tree that it led to, its changed lines, and where the example comes from."""

    target: TreeId
    size: int
    origin: Origin

    @classmethod
    def of(cls, example: Example) -> "OwnFix":
        """Return the answer that an example holds."""
        return cls(example.target, example.changed_lines, example.origin)


@dataclass(frozen=True, slots=True)
class Key:
    """What attempts at one task are measured by. ``behaviour`` is that of the person's own program."""

    target: TreeId | None = None
    whole: bool = False
    quarantined: str = ""
    behaviour: Behaviour | None = None


@dataclass(frozen=True, slots=True)
class Marker:
    """Measures attempts. Without ``behaviours`` nothing is run, and no task has a *same*."""

    store: TreeStore
    judge: Judge
    behaviours: Behaviours | None

    def key(self, answer: OwnFix | None, suite: Suite) -> Key:
        """Return what a task is measured by. Raises ``InfrastructureError`` where that cannot be found out."""
        if answer is None:
            return Key()
        source = program(self.store, answer.target)
        if self.behaviours is None or source is None or not self.judge.judge(answer.target, suite).green:
            return Key(answer.target)
        found = reads_environment(source)
        if found:
            return Key(answer.target, whole=True, quarantined=f"it reads {found}")
        if not self.behaviours.repeatable(answer.target):
            return Key(answer.target, whole=True, quarantined=TWICE)
        return Key(answer.target, whole=True, behaviour=self.behaviours.of([answer.target])[answer.target])

    def marks(self, key: Key, attempts: Sequence[Attempt]) -> tuple[Marks, ...]:
        """Measure every attempt. Raises ``InfrastructureError`` where a program could not be run."""
        runnable = [
            attempt.result
            for attempt in attempts
            if key.behaviour is not None and _green(attempt) and attempt.result is not None
            if program(self.store, attempt.result) is not None
        ]
        ran = self.behaviours.of(runnable) if self.behaviours is not None else {}
        return tuple(
            Marks(
                fixed=attempt.fixed,
                same=None
                if key.behaviour is None
                else _green(attempt) and ran.get(attempt.result or "") == key.behaviour,
                exact=None
                if key.target is None
                else attempt.result is not None and same_tokens(self.store, attempt.result, key.target),
            )
            for attempt in attempts
        )


def shown(attempts: Sequence[Attempt]) -> int | None:
    """Return the place of the attempt that ``greenloop fix`` would put first, ``None`` where it would show nothing."""
    best = ranked(distinct(attempts))
    # by its number, for it comes back changed: it carries the votes of those that agree
    return next((place for place, attempt in enumerate(attempts) if best and attempt.index == best[0].index), None)


def same_tokens(store: TreeStore, one: TreeId, other: TreeId) -> bool:
    """Whether two trees have the same files with the same tokens; comments and strings are tokens."""
    if one == other:
        return True
    for change in store.changes(one, other):
        if change.old is None or change.new is None or change.old.mode is not change.new.mode:
            return False
        texts = [store.read_blob(entry.blob).decode("utf-8", "replace") for entry in (change.old, change.new)]
        if _tokens(texts[0], change.path) != _tokens(texts[1], change.path):
            return False
    return True


def _tokens(text: str, path: str) -> list[str]:
    # the layout within a comment is white space too, that within a string is not
    found = [token.text for token in lexing.tokens(text, path)]
    return [" ".join(token.split()) if token.startswith("(*") else token for token in found] or text.split()


def _green(attempt: Attempt) -> bool:
    return attempt.fixed and attempt.verdict is not None and attempt.verdict.green
