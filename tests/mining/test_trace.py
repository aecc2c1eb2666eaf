"""What a pass tells whoever watches: what was dropped, by name, and what became of each snapshot."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.mining.passes import Mined, mine

from greenloop.builds.scripted import ScriptedJudge
from greenloop.mining.account import Account
from greenloop.mining.dropped import Dropped, DroppedTrace
from greenloop.mining.rules import Rules
from greenloop.mining.trace import Trace
from greenloop.mining.why import Why, why
from greenloop.records import Origin, Status, Suite

GREEN = "let f x = x + 1\n"
RED = "let f x = bad x\n"
NEXT = "let f x = x + 2\n"
OTHER = "let f x = bad2 x\n"


def watched(lab: Any, trace: Trace, judge: ScriptedJudge | None = None) -> Mined:
    judge = judge or ScriptedJudge(lab.answer)
    return mine(lab.snapshots, judge, lab.trees, rules=lab.rules, accepted=lab.accepted, trace=trace)


def dropped(lab: Any, judge: ScriptedJudge | None = None) -> tuple[Dropped, ...]:
    """Return what was dropped; as often as the funnel counts it."""
    trace = DroppedTrace()
    result = watched(lab, trace, judge)
    counted = {
        (step.unit, step.name): step.dropped
        for step in result.funnel.steps
        if step.dropped and step.unit in ("runs of red", "candidates")
    }
    assert Counter((one.unit, one.rule) for one in trace.lines()) == counted
    assert [one.to_json() for one in trace.lines()] == [
        Dropped.from_json(one.to_json()).to_json() for one in trace.lines()
    ]
    return trace.lines()


def explained(lab: Any, seq: int, workspace: str = "w") -> Why:
    account = Account(lab.rules)
    mine(
        lab.snapshots, ScriptedJudge(lab.answer), lab.trees, rules=lab.rules, accepted=lab.accepted,
        workspaces=[one for one in lab.snapshots.workspaces() if one.id == workspace], trace=account,
    )  # fmt: skip
    found = why(account, tuple(lab.snapshots.snapshots(workspace)), seq, lab.trees)
    assert (found.workspace, found.seq) == (workspace, seq)
    return found


def test_a_run_that_was_dropped_has_its_line(lab: Any) -> None:
    red, after = lab.tree(RED), lab.tree(NEXT)
    lab.record(lab.tree(GREEN), red)
    lab.record(after, step=5)
    (one,) = dropped(lab)
    assert (one.workspace, one.first_seq, one.last_seq, one.base, one.target) == ("w", 1, 2, red, after)
    assert one.rule == "no red that counts: half-typed"


def test_a_run_without_an_end_led_nowhere(lab: Any) -> None:
    lab.record(lab.tree(RED))
    (one,) = dropped(lab)
    assert (one.first_seq, one.last_seq, one.target) == (0, 0, None)


def test_candidates_that_were_dropped_have_their_lines(lab: Any) -> None:
    lab.rules = Rules(max_changed_lines=2)
    red, after = lab.tree(RED), lab.tree(NEXT + "let y = 1\n" * 5)
    lab.record(red, red, after)
    lab.record(lab.tree(RED), lab.tree(NEXT), workspace="v")
    lab.record(lab.tree(RED), lab.tree(NEXT), workspace="x")
    first, second = dropped(lab)
    assert (first.rule, first.workspace, first.first_seq, first.last_seq) == ("over 2 changed lines", "w", 0, 2)
    assert (first.base, first.target) == (red, after)
    assert (second.rule, second.workspace) == ("duplicate of an earlier example", "x")


def test_what_is_dropped_at_the_end_has_its_line_too(lab: Any) -> None:
    """Two that became equal when they were minimised, and one that was flaky."""
    red = lab.tree(RED + "let a = 1\n\nlet b = 1\n")
    lab.record(red, lab.tree(NEXT + "let a = 2\n\nlet b = 1\n"))
    lab.record(red, lab.tree(NEXT + "let a = 1\n\nlet b = 2\n"), workspace="v")
    loose = lab.tree(OTHER)
    lab.record(loose, lab.tree(GREEN), workspace="z")
    asked: Counter[str] = Counter()

    def answer(tree: str, suite: Suite) -> Any:
        asked[tree] += 1
        return Status.TIMEOUT if tree == loose and asked[tree] > 3 else lab.answer(tree, suite)

    found = dropped(lab, ScriptedJudge(answer))
    assert [(one.workspace, one.rule) for one in found] == [
        ("w", "duplicate of an earlier example"),
        ("z", "flaky: judged again, it came out otherwise"),
    ]


def test_a_snapshot_that_goes_on_with_the_one_before(lab: Any) -> None:
    lab.record(*map(lab.tree, (RED, RED, "(* c *)\n" + RED, NEXT)), step=8)
    assert [explained(lab, seq).merged_by for seq in range(4)] == [
        "", "equal to the one before", "only layout or comments changed", "",
    ]  # fmt: skip
    one = explained(lab, 1)
    assert (one.first_seq, one.last_seq, one.status) == (0, 2, "red")
    assert next(one.sentences()) == ("equal to the one before: it goes on with the state of the snapshots 0 to 2.")


def test_a_red_that_counts_names_its_example(lab: Any) -> None:
    lab.record(*map(lab.tree, (GREEN, RED, NEXT)))
    (example,) = lab.mine().examples
    for seq in (1, 2):
        one = explained(lab, seq)
        (candidacy,) = one.candidates
        assert (candidacy.origin, candidacy.base_seq, candidacy.target_seqs) == (Origin.EPISODE, 1, (2,))
        assert (candidacy.example, candidacy.rule, candidacy.smaller) == (example.id, "", False)
    red, green = explained(lab, 1), explained(lab, 2)
    assert red.run is not None
    assert (red.run.counts, red.run.ends, red.error) == ("it stood for 30 s", False, "a.ml: Unbound value bad")
    assert green.run is not None
    assert green.run.ends
    assert f"As the fix from snapshot 1 to 2 it is the example {example.id}." in list(green.sentences())
    assert explained(lab, 0).run is None


def test_a_red_that_does_not_count_says_so(lab: Any) -> None:
    lab.record(lab.tree(RED))
    lab.record(lab.tree(OTHER), lab.tree(NEXT), step=5)
    one = explained(lab, 1)
    assert one.run is not None
    assert (one.run.counts, one.run.rule) == ("", "no red that counts: half-typed")
    assert list(one.sentences())[-2:] == [
        "It does not count: half-typed, by all that is known.",
        "The run was dropped: no red that counts: half-typed.",
    ]


@pytest.mark.parametrize(("how", "cut"), [("merge", "merge"), ("", "idle")])
def test_a_cut_is_named(lab: Any, how: str, cut: str) -> None:
    lab.record(lab.tree(RED))
    lab.record(lab.tree(NEXT), cut=how, step=30 if how else 3600)
    one = explained(lab, 1)
    assert one.cut == cut
    assert next(one.sentences()) == f"It begins a stretch ({cut}): no pair reaches back across it."
    run = explained(lab, 0).run
    assert run is not None
    assert run.rule == "not green again before a cut or the end"


def test_a_state_that_says_nothing_is_passed_over(lab: Any) -> None:
    lab.record(*map(lab.tree, (RED, "let loop = 1\n", NEXT)))
    one = explained(lab, 1)
    assert (one.status, one.clear, one.run) == ("timeout", False, None)
    assert "That says nothing clear, so the state is passed over." in list(one.sentences())


def test_an_example_that_was_made_smaller_is_found_by_its_snapshots(lab: Any) -> None:
    lab.record(lab.tree(RED + "let a = 1\n"), lab.tree(NEXT + "let a = 2\n"))
    (example,) = lab.mine().examples
    (candidacy,) = explained(lab, 0).candidates
    assert (candidacy.example, candidacy.smaller) == (example.id, True)
    account = Account(lab.rules)
    watched(lab, account)
    fate = account.behind(example.id)
    assert fate is not None
    assert fate.mined is not None
    assert fate.mined.target == lab.tree(NEXT + "let a = 2\n")
    assert account.behind(fate.mined.id) is None


def test_watching_changes_nothing(lab: Any) -> None:
    lab.record(*map(lab.tree, (GREEN, RED, OTHER, NEXT)), deliberate=True)
    results = [watched(lab, trace) for trace in (Trace(), DroppedTrace(), Account(lab.rules))]
    assert results[0] == results[1] == results[2] == lab.mine()


def test_a_snapshot_among_greens_and_a_lost_one_are_in_no_state(lab: Any) -> None:
    greens = [lab.tree(f"let f x = x + {number}\n") for number in range(3)]
    lab.record(*greens, reported=Status.GREEN)
    lost = lab.tree(OTHER)
    lab.record(lab.tree(RED), lost, lab.tree(RED), lab.tree(NEXT))
    Path(lab.trees.path, "objects", lost[:2], lost[2:]).unlink()
    lab.trees.renew()
    assert list(explained(lab, 0).sentences()) == [
        "It was not looked at: reported green, like the one before and the next."
    ]
    assert explained(lab, 2).left_out == ""
    assert explained(lab, 4).left_out == "its tree, or a file of it, is lost"
    assert explained(lab, 5).cut == "its tree, or a file of it, is lost"
