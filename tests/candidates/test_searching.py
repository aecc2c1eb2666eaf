"""Searching only as far as it pays."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from greenloop.builds.scripted import ScriptedJudge
from greenloop.candidates.examine import Rules
from greenloop.candidates.searching import Search, searched
from greenloop.candidates.source import Proposal, ScriptedSource
from greenloop.records import Block, Diagnostic, Edit, InputError, ReplaceBlocks, Status, Suite, TreeId
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]
ErrorAt = Callable[..., Diagnostic]
TEXT = 'let x = 1 + "2"\n'


class Row:
    """Edits that put a number in, and how many of them were taken."""

    def __init__(self, numbers: range) -> None:
        self.numbers = numbers
        self.taken = 0

    def __iter__(self) -> Iterator[Proposal]:
        for number in self.numbers:
            self.taken += 1
            block = Block(search=TEXT, replace=f"let x = 1 + {number}\n")
            yield Proposal("row", Edit(files=(ReplaceBlocks(path="a.ml", blocks=(block,)),)))


@pytest.mark.parametrize(
    ("good", "taken", "fixed"),
    [({0}, 20, 1), ({0, 1}, 4, 2), ({3, 5}, 9, 2), ({4, 17}, 19, 2), ({3, 5, 6}, 9, 3), (set(), 20, 0)],
)
def test_batches_are_judged_until_enough_is_found_or_the_bound_is_met(
    store: TreeStore, write: Write, type_error: ErrorAt, good: set[int], taken: int, fixed: int
) -> None:
    base = write({"a.ml": TEXT})
    red = type_error("a.ml", 1)

    def script(tree: TreeId, suite: Suite) -> Status | tuple[Diagnostic, ...]:
        number = int((store.read(tree, "a.ml") or b"").split()[-1].strip(b'"'))
        return Status.GREEN if tree != base and number in good else (red,)

    judge = ScriptedJudge(script)
    before = judge.judge(base, Suite.CHECK)
    row = Row(range(100))
    search = Search(ScriptedSource(()), max_checks=20, enough=2, first=4, batch=5)
    attempts = searched(store, judge, before, row, Rules(), search, start=7)
    assert row.taken == len(attempts) == taken
    assert [one.index for one in attempts] == list(range(7, 7 + taken))
    assert sum(one.fixed for one in attempts) == fixed
    assert len(judge.asked) == 1 + taken


def test_a_row_that_ends_is_no_error(store: TreeStore, write: Write, type_error: ErrorAt) -> None:
    base = write({"a.ml": TEXT})
    judge = ScriptedJudge({}, otherwise=(type_error("a.ml", 1),))
    search = Search(ScriptedSource(()), max_checks=20)
    before = judge.judge(base, Suite.CHECK)
    assert len(searched(store, judge, before, Row(range(3)), Rules(), search)) == 3
    assert searched(store, judge, before, Row(range(0)), Rules(), search) == ()


def test_a_search_without_checks_is_refused() -> None:
    with pytest.raises(InputError):
        Search(ScriptedSource(()), max_checks=0)
