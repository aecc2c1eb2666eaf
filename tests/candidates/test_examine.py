"""Every proposal is accounted for, and lands where it should."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from greenloop.builds.scripted import Answer, ScriptedJudge
from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.candidates.examine import Rules, examine
from greenloop.candidates.source import Proposal, ScriptedSource
from greenloop.prompts.question import Question
from greenloop.records import (
    Diagnostic,
    Edit,
    EditError,
    InfrastructureError,
    InputError,
    Rung,
    Status,
    Suite,
    TreeId,
    Verdict,
)
from greenloop.workspace.edits import apply, parse_reply
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]
ErrorAt = Callable[[str, int], Diagnostic]

SOURCE = 'let one = 1\n\nlet x = 1 + "2"\n\nlet () = print_int (x + one)\n'
FILES = {"a.ml": SOURCE, "test/t.ml": "let () = assert (A.x = 3)\n", "dune": "(library (name a))\n"}


def change(path: str, old: str, new: str) -> Edit:
    return parse_reply(f"{path}\n<<<<\n{old}\n====\n{new}\n>>>>\n")


FIX = change("a.ml", 'let x = 1 + "2"', "let x = 1 + 2")
TEST_ONLY = change("test/t.ml", "let () = assert (A.x = 3)", "let () = ()")


def examined(
    store: TreeStore, base: Verdict, judge: ScriptedJudge, edits: Sequence[Edit | EditError], rules: Rules | None = None
) -> tuple[Attempt, ...]:
    source = ScriptedSource(edits)
    return examine(store, judge, base, source.proposals(store, Question(base.tree, "")), rules or Rules())


@pytest.fixture
def base(write: Write) -> TreeId:
    return write(FILES)


def red_base(base: TreeId, error: Diagnostic) -> Verdict:
    return ScriptedJudge({base: (error,)}).judge(base, Suite.CHECK)


def green_if(store: TreeStore, text: bytes, error: Diagnostic) -> ScriptedJudge:
    """Green when a.ml is ``text``, else red with ``error``."""

    def script(tree: TreeId, suite: Suite) -> Answer:
        return Status.GREEN if store.read(tree, "a.ml") == text else (error,)

    return ScriptedJudge(script)


FIXED = SOURCE.replace('"2"', "2").encode()


def test_a_fix_is_judged_and_fixed(store: TreeStore, base: TreeId, type_error: ErrorAt) -> None:
    judge = green_if(store, FIXED, type_error("a.ml", 3))
    (attempt,) = examined(store, red_base(base, type_error("a.ml", 3)), judge, [FIX])
    assert (attempt.outcome, attempt.fixed, attempt.flags, attempt.reason) == (Outcome.JUDGED, True, (), "")
    assert attempt.rung is Rung.EXACT
    assert attempt.changed_lines == 1
    assert attempt.verdict is not None
    assert attempt.verdict.tree == attempt.result
    assert Attempt.from_json(attempt.to_json()) == attempt


def test_each_failure_has_its_reason(store: TreeStore, base: TreeId, type_error: ErrorAt) -> None:
    error = type_error("a.ml", 3)
    edits: list[Edit | EditError] = [
        EditError("no edit", reason="no-blocks"),
        change("a.ml", "let absent = 1", "let x = 2"),
        change("a.ml", "let one = 1", "let one = 1"),
        TEST_ONLY,
        change("a.ml", "let one = 1", "let one = 2"),
    ]
    attempts = examined(store, red_base(base, error), green_if(store, FIXED, error), edits)
    assert [attempt.outcome for attempt in attempts] == [
        Outcome.UNREADABLE,
        Outcome.REFUSED,
        Outcome.UNCHANGED,
        Outcome.PROTECTED,
        Outcome.JUDGED,
    ]
    assert [attempt.reason for attempt in attempts] == ["no-blocks", "no-match", "unchanged", "protected", "error-left"]
    assert [attempt.index for attempt in attempts] == [0, 1, 2, 3, 4]
    assert not any(attempt.fixed for attempt in attempts)
    assert all(attempt.detail for attempt in attempts)
    # what changes nothing is the base, and its verdict is known
    assert [attempt.verdict is not None for attempt in attempts] == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('let x = 1 + "2"', 'let x = failwith "TODO"', "stub"),
        ('let x = 1 + "2"', "", "name-removed"),
        ("let () = print_int (x + one)", "", "deletion"),
    ],
)
def test_cheap_greens_are_no_fixes_and_carry_their_flag(
    store: TreeStore, base: TreeId, type_error: ErrorAt, old: str, new: str, reason: str
) -> None:
    judge = ScriptedJudge({}, otherwise=Status.GREEN)
    edit = change("a.ml", old, new)
    (attempt,) = examined(store, red_base(base, type_error("a.ml", 3)), judge, [edit])
    assert attempt.verdict is not None
    assert attempt.verdict.green
    assert not attempt.fixed
    assert attempt.reason == reason
    assert reason in attempt.flags


def test_a_fix_that_also_weakens_a_test_is_judged_without_that_and_says_tamper(
    store: TreeStore, base: TreeId, type_error: ErrorAt
) -> None:
    both = Edit(files=FIX.files + TEST_ONLY.files)
    judge = green_if(store, FIXED, type_error("a.ml", 3))
    (attempt,) = examined(store, red_base(base, type_error("a.ml", 3)), judge, [both])
    assert attempt.fixed
    assert attempt.flags == ("tamper",)
    assert attempt.restored == ("test/t.ml",)
    assert attempt.result is not None
    assert store.read(attempt.result, "test/t.ml") == FILES["test/t.ml"].encode()
    # the edit that is shown is the edit that was judged
    assert attempt.edit is not None
    assert apply(store, base, attempt.edit).tree == attempt.result


def test_tests_may_change_where_the_rules_allow_it(store: TreeStore, base: TreeId, type_error: ErrorAt) -> None:
    judge = ScriptedJudge({}, otherwise=Status.GREEN)
    (attempt,) = examined(store, red_base(base, type_error("a.ml", 3)), judge, [TEST_ONLY], Rules(protected=()))
    assert attempt.outcome is Outcome.JUDGED
    assert attempt.restored == ()


def test_an_edit_outside_the_tree_is_refused_and_judges_nothing(
    store: TreeStore, base: TreeId, type_error: ErrorAt
) -> None:
    judge = ScriptedJudge({})
    outside = FIX.model_copy(update={"files": (FIX.files[0].model_copy(update={"path": "../evil.ml"}),)})
    (attempt,) = examined(store, red_base(base, type_error("a.ml", 3)), judge, [outside])
    assert (attempt.outcome, attempt.reason) == (Outcome.REFUSED, "outside-tree")
    assert judge.asked == []


def test_equal_results_are_judged_once_and_the_bound_is_told(
    store: TreeStore, base: TreeId, type_error: ErrorAt
) -> None:
    judge = green_if(store, FIXED, type_error("a.ml", 3))
    edits = [FIX, FIX, change("a.ml", "let one = 1", "let one = 2"), change("a.ml", "let one = 1", "let one = 3")]
    attempts = examined(store, red_base(base, type_error("a.ml", 3)), judge, edits, Rules(max_judged=2))
    assert len(judge.asked) == 2
    assert [attempt.fixed for attempt in attempts] == [True, True, False, False]
    assert (attempts[3].outcome, attempts[3].reason, attempts[3].verdict) == (Outcome.UNJUDGED, "bound", None)


def test_a_fault_of_the_machine_is_unjudged_never_red_and_spares_the_others(
    store: TreeStore, base: TreeId, type_error: ErrorAt
) -> None:
    def script(tree: TreeId, suite: Suite) -> Answer:
        return Status.GREEN if store.read(tree, "a.ml") == FIXED else InfrastructureError("no sandbox", "start one")

    other = change("a.ml", "let one = 1", "let one = 2")
    attempts = examined(store, red_base(base, type_error("a.ml", 3)), ScriptedJudge(script), [other, FIX])
    assert (attempts[0].outcome, attempts[0].reason, attempts[0].verdict) == (Outcome.UNJUDGED, "fault", None)
    assert "no sandbox" in attempts[0].detail
    assert attempts[1].fixed


def test_on_a_green_tree_nothing_is_fixed_and_a_breaking_edit_says_so(
    store: TreeStore, base: TreeId, type_error: ErrorAt
) -> None:
    green = ScriptedJudge({base: Status.GREEN}).judge(base, Suite.CHECK)
    judge = green_if(store, FIXED, type_error("a.ml", 1))
    attempts = examined(store, green, judge, [FIX, change("a.ml", "let one = 1", "let one = 2")])
    assert [attempt.fixed for attempt in attempts] == [False, False]
    assert [attempt.reason for attempt in attempts] == ["", "breaks"]


def test_a_red_tree_without_diagnostics_is_fixed_by_green_only(store: TreeStore, base: TreeId) -> None:
    red = ScriptedJudge({base: Status.RED}).judge(base, Suite.CHECK)
    judge = ScriptedJudge(lambda tree, _: Status.GREEN if store.read(tree, "a.ml") == FIXED else Status.RED)
    attempts = examined(store, red, judge, [FIX, change("a.ml", "let one = 1", "let one = 2")])
    assert [attempt.fixed for attempt in attempts] == [True, False]
    assert attempts[1].reason == "error-left"


def test_a_reply_is_kept_with_its_attempt(store: TreeStore, base: TreeId, type_error: ErrorAt) -> None:
    said = Proposal("m", EditError("no", reason="no-blocks"), reply="I cannot", prompt_tokens=7, reply_tokens=2)
    (attempt,) = examine(store, ScriptedJudge({}), red_base(base, type_error("a.ml", 3)), [said], Rules())
    assert (attempt.reply, attempt.source, attempt.prompt_tokens, attempt.reply_tokens) == ("I cannot", "m", 7, 2)


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError):
        Rules(max_changed_lines=0)
