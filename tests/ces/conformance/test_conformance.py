"""The same cases on Debian's dune, on dune 3 in the toolchain image, and on Python by its own commands."""

from typing import TYPE_CHECKING

import pytest
from tests.ces.conformance.suite import SUITE

from greenloop.records import Evaluation, TestStatus

if TYPE_CHECKING:
    from tests.ces.conformance.conftest import Bench

pytestmark = pytest.mark.slow


def check(bench: "Bench", name: str) -> None:
    """Ask one case of the suite, and ask it again."""
    expected, change = SUITE[name], bench.language.changes[name]
    found = bench.ask(change)
    told = found.to_json()
    assert (found.status, found.stage) == (expected.status, expected.stage), told
    assert found.tree_status is expected.status, told
    # what was not reached is not told of, what was passed is told to be green
    assert [result.status.value for result in found.stages[:-1]] == ["green"] * (len(found.stages) - 1), told
    if expected.status.value == "red":
        assert found.diagnostics, told
    if change.place is not None:
        places = {(error.path, error.span.line, error.span.column) for error in found.diagnostics if error.span}
        assert change.place in places, told
    bad = {test.name for test in found.tests if test.status is not TestStatus.PASSED}
    assert bad == set(change.failed), told
    assert all(any(name in error.message for error in found.diagnostics) for name in change.failed), told
    if found.green:
        assert {test.name for test in found.tests} >= set(bench.language.tests), told
    assert change.says in found.note + "\n".join(error.message for error in found.diagnostics), told
    log = bench.ledger.log(found.id)
    assert log is not None
    assert change.logs in log, log
    found_again(found, bench.ask(change))


def found_again(first: Evaluation, second: Evaluation) -> None:
    """Demand that nothing was run the second time, and that the answer is the same but for the time it took."""
    assert second.seen_before
    aside = {"seen_before", "timings"}
    assert second.model_dump(exclude=aside) == first.model_dump(exclude=aside)


@pytest.mark.parametrize("name", SUITE)
def test_the_suite(bench: "Bench", name: str) -> None:
    check(bench, name)


def test_every_language_has_every_case(bench: "Bench") -> None:
    assert set(bench.language.changes) == set(SUITE)


def test_nothing_of_the_suite_is_left_for_the_next_one(bench: "Bench") -> None:
    change = bench.language.changes["a change that keeps everything"]
    first = bench.ask(change)
    again = bench.ask(change, fresh=True)
    assert not again.seen_before
    assert again.green
    assert (again.id, again.result, again.tests, again.flags) == (first.id, first.result, first.tests, first.flags)
