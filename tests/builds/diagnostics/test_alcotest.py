"""What alcotest printed, read back."""

from greenloop.builds.diagnostics import alcotest
from greenloop.records import Category, TestStatus

RUN = """\
before
Testing `my project'.
This run has ID `4CJ70VLI'.

  [OK]          area of things          0   square one.
  [SKIP]        area of things          1   slow [one].
> [FAIL]        totals                 12   all of them.

┌──────────────────────────────────────────────────────────────────────────────┐
│ [FAIL]        totals                 12   all of them.                       │
└──────────────────────────────────────────────────────────────────────────────┘
ASSERT square
  [OK]          fake                    0   printed by the test.
File "lib/a.ml", line 3, characters 1-2:
   Expected: `4'
Raised at Alcotest_engine__Test.check in file "src/alcotest-engine/test.ml", line 196, characters 4-261

Logs saved to `/w/_build/default/test/_build/_tests/x/totals.012.output'.
 ──────────────────────────────────────────────────────────────────────────────

Full test results in `/w/_build/default/test/_build/_tests/x'.
1 failure! in 0.000s. 3 tests run.
after
"""


def test_a_run_with_every_status() -> None:
    seen = alcotest.parse(RUN)
    assert [(result.name, result.status) for result in seen.results] == [
        ("my project/area of things/0/square one", TestStatus.PASSED),
        ("my project/area of things/1/slow [one]", TestStatus.SKIPPED),
        ("my project/totals/12/all of them", TestStatus.FAILED),
    ]
    assert (seen.opened, seen.closed) == (1, 1)
    assert seen.rest.split() == ["before", "after"]
    (failure,) = seen.diagnostics
    assert failure.category is Category.TEST
    assert failure.message.startswith("test failed: my project/totals/12/all of them\nASSERT square")
    assert "Expected: `4'" in failure.message
    assert "Raised at" not in failure.message


def test_a_run_that_was_cut_short_is_open() -> None:
    seen = alcotest.parse(RUN.split("Full test", maxsplit=1)[0])
    assert (seen.opened, seen.closed) == (1, 0)


def test_two_runs_keep_their_names_apart() -> None:
    text = "Testing `a'.\n  [OK]   s   0   x.\nTest Successful in 0.001s. 1 test run.\n"
    seen = alcotest.parse(text + text.replace("`a'", "`b'"))
    assert [result.name for result in seen.results] == ["a/s/0/x", "b/s/0/x"]
    assert (seen.opened, seen.closed) == (2, 2)
