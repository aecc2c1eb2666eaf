"""The shared turn: sources asked, candidates judged and ranked, what failed told."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from greenloop.assists.ask import ask
from greenloop.assists.fix import PROMPT, fix
from greenloop.assists.propose import propose
from greenloop.assists.suggestion import badge
from greenloop.builds.scripted import Answer, ScriptedJudge
from greenloop.candidates.examine import Rules
from greenloop.candidates.source import Proposal, ScriptedSource
from greenloop.prompts.question import Question
from greenloop.records import (
    Badge,
    Diagnostic,
    Edit,
    EditError,
    InfrastructureError,
    InputError,
    ModelError,
    Rung,
    Stage,
    StageResult,
    Status,
    Suite,
    TestResult,
    TestStatus,
    TreeId,
    Verdict,
)
from greenloop.workspace.edits import apply, parse_reply
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]
ErrorAt = Callable[[str, int], Diagnostic]

SOURCE = 'let one = 1\n\nlet x = 1 + "2"\n\nlet () = print_int (x + one)\n'
FILES = {"a.ml": SOURCE, "test/t.ml": "let () = assert (A.x = 3)\n"}


def change(path: str, old: str, new: str) -> Edit:
    return parse_reply(f"{path}\n<<<<\n{old}\n====\n{new}\n>>>>\n")


RED_LINE = 'let x = 1 + "2"'
FIX = change("a.ml", RED_LINE, "let x = 1 + 2")
LONG_FIX = change("a.ml", RED_LINE, "let two = 2\nlet x = 1 + two")
INEXACT_FIX = change("a.ml", RED_LINE + "   ", "let x = 2 + 1")
STUB = change("a.ml", RED_LINE, 'let x = failwith "TODO"')
STILL_RED = change("a.ml", RED_LINE, 'let x = 2 + "2"')
TAMPER = Edit(
    files=change("a.ml", RED_LINE, "let x = 3").files + change("test/t.ml", FILES["test/t.ml"][:-1], "").files
)


class _Broken:
    """A source whose model is down."""

    label = "down"

    def proposals(self, store: TreeStore, question: Question) -> Iterator[Proposal]:
        yield from ()
        raise ModelError("the server does not answer", "start it")


@pytest.fixture
def base(write: Write) -> TreeId:
    return write(FILES)


@pytest.fixture
def judge(store: TreeStore, type_error: ErrorAt) -> ScriptedJudge:
    """Red while a.ml holds a text where a number belongs."""

    def script(tree: TreeId, suite: Suite) -> Answer:
        source = store.read(tree, "a.ml") or b""
        return (type_error("a.ml", 3),) if b'+ "2"' in source else Status.GREEN

    return ScriptedJudge(script)


def test_fixes_come_first_mistrust_last_and_equal_trees_once(
    store: TreeStore, base: TreeId, judge: ScriptedJudge
) -> None:
    edits: list[Edit | EditError] = [
        STUB,
        TAMPER,
        STILL_RED,
        INEXACT_FIX,
        LONG_FIX,
        FIX,
        FIX,
        EditError("?", reason="no-blocks"),
    ]
    turn = fix(store, judge, base, sources=[ScriptedSource(edits, label="m")], rules=Rules())

    lines = [(store.read(one.result, "a.ml") or b"").splitlines()[2] for one in turn.suggestions]
    assert lines == [
        b"let x = 1 + 2",
        b"let two = 2",
        b"let x = 2 + 1",
        b'let x = 2 + "2"',
        b"let x = 3",
        b'let x = failwith "TODO"',
    ]
    assert [one.fixed for one in turn.suggestions] == [True, True, True, False, True, False]
    assert [one.flags for one in turn.suggestions] == [(), (), (), (), ("tamper",), ("stub",)]
    assert [one.badge for one in turn.suggestions] == [Badge.TYPE_CHECKS] * 3 + [Badge.ERRORS] + [Badge.TYPE_CHECKS] * 2
    assert turn.suggestions[2].rung is Rung.BLANKS
    assert len(turn.attempts) == len(edits)
    assert turn.fixed
    assert turn.summary() == "4 of 8 candidates fixed it (7 judged)."
    assert len({one.id for one in turn.suggestions}) == 6
    for one in turn.suggestions:
        assert one.model == "m"
        assert one.verdict.tree == one.result
        assert apply(store, base, one.edit).tree == one.result


def test_a_stub_alone_is_not_passed_off_as_a_fix(store: TreeStore, base: TreeId, judge: ScriptedJudge) -> None:
    turn = fix(store, judge, base, sources=[ScriptedSource([STUB])], rules=Rules())
    assert not turn.fixed
    assert turn.summary() == "Not fixed: none of 1 candidate is an honest fix (1 judged; stub 1)."


def test_a_green_tree_asks_nobody(store: TreeStore, base: TreeId) -> None:
    source = ScriptedSource([FIX])
    turn = fix(store, ScriptedJudge({base: Status.GREEN}), base, sources=[source], rules=Rules())
    assert source.asked == []
    assert (turn.attempts, turn.suggestions, turn.best) == ((), (), None)
    assert turn.summary() == "The tree is green: there is nothing to fix."


@pytest.mark.parametrize("status", [Status.TIMEOUT, Status.REJECTED])
def test_a_tree_whose_judgement_says_nothing_asks_nobody(store: TreeStore, base: TreeId, status: Status) -> None:
    source = ScriptedSource([FIX])
    turn = fix(store, ScriptedJudge({base: status}), base, sources=[source], rules=Rules())
    assert source.asked == []
    assert f"ended in {status.value}" in turn.summary()


def test_the_question_holds_the_error_the_words_and_the_focus(
    store: TreeStore, base: TreeId, judge: ScriptedJudge, type_error: ErrorAt
) -> None:
    source = ScriptedSource([])
    fix(store, judge, base, sources=[source], rules=Rules(), focus=("a.ml",))
    ask(store, judge, base, "  make x five ", sources=[source], rules=Rules())
    error = type_error("a.ml", 3)
    assert source.asked == [Question(base, PROMPT, (error,), ("a.ml",)), Question(base, "make x five", (error,))]


def test_asking_for_nothing_is_refused(store: TreeStore, base: TreeId, judge: ScriptedJudge) -> None:
    with pytest.raises(InputError):
        ask(store, judge, base, " \n", sources=[ScriptedSource([FIX])], rules=Rules())


def test_asking_on_a_green_tree_ranks_what_stays_green_first(
    store: TreeStore, write: Write, judge: ScriptedJudge
) -> None:
    base = write({"a.ml": "let x = 1 + 2\n"})
    breaks, keeps = change("a.ml", "let x = 1 + 2", 'let x = 1 + "2"'), change("a.ml", "let x = 1 + 2", "let x = 3 + 2")
    turn = ask(store, judge, base, "change x", sources=[ScriptedSource([breaks, keeps])], rules=Rules())
    assert [one.badge for one in turn.suggestions] == [Badge.TYPE_CHECKS, Badge.ERRORS]
    assert not any(one.fixed for one in turn.suggestions)
    assert turn.summary() == "1 of 2 distinct results stay green (2 candidates, 2 judged)."


def test_nothing_verified_is_said_plainly(store: TreeStore, base: TreeId, type_error: ErrorAt) -> None:
    def script(tree: TreeId, suite: Suite) -> Answer:
        return (type_error("a.ml", 3),) if tree == base else InfrastructureError("the sandbox died", "doctor")

    turn = fix(store, ScriptedJudge(script), base, sources=[ScriptedSource([FIX, STUB])], rules=Rules())
    assert turn.verified == ()
    assert [one.badge for one in turn.suggestions] == [Badge.UNVERIFIED] * 2
    assert "the sandbox died" in turn.suggestions[0].verdict.note
    assert turn.suggestions[0].verdict.status is Status.INFRA_ERROR
    assert turn.suggestions[1].flags == ("stub",)
    assert turn.summary() == "Nothing is verified: of 2 candidates none could be judged: fault 2."


def test_nonsense_leads_to_no_suggestion_and_says_why(store: TreeStore, base: TreeId, judge: ScriptedJudge) -> None:
    nonsense = [EditError("?", reason="no-blocks"), EditError("?", reason="no-blocks"), EditError("?", reason="empty")]
    turn = fix(store, judge, base, sources=[ScriptedSource(nonsense)], rules=Rules())
    assert turn.suggestions == ()
    assert turn.why_not() == (("no-blocks", 2), ("empty", 1))
    assert turn.summary() == "Nothing to show: of 3 candidates none led to a changed tree: no-blocks 2, empty 1."


def test_a_model_that_is_down_is_an_error_unless_another_source_gave_something(
    store: TreeStore, base: TreeId, judge: ScriptedJudge
) -> None:
    with pytest.raises(ModelError, match="does not answer"):
        fix(store, judge, base, sources=[_Broken(), ScriptedSource([])], rules=Rules())
    turn = fix(store, judge, base, sources=[ScriptedSource([FIX]), _Broken()], rules=Rules())
    assert turn.fixed
    assert turn.faults == ("the server does not answer (start it)",)


def test_a_present_tree_that_cannot_be_judged_is_an_error(store: TreeStore, base: TreeId) -> None:
    with pytest.raises(InfrastructureError):
        fix(store, ScriptedJudge({base: InfrastructureError("no sandbox")}), base, sources=[], rules=Rules())


def test_the_verdict_must_be_that_of_the_asked_tree(store: TreeStore, base: TreeId, judge: ScriptedJudge) -> None:
    with pytest.raises(InputError):
        propose(store, judge, Question(base, ""), judge.judge(store.empty, Suite.CHECK), sources=[], rules=Rules())


def test_a_higher_suite_confirms_or_refutes_what_type_checks(
    store: TreeStore, base: TreeId, type_error: ErrorAt
) -> None:
    def script(tree: TreeId, suite: Suite) -> Answer:
        source = store.read(tree, "a.ml") or b""
        if suite is Suite.CHECK:
            return (type_error("a.ml", 3),) if b'+ "2"' in source else Status.GREEN
        if b"1 + 2" in source:
            return Status.RED
        return Verdict(
            tree=tree,
            toolchain="t",
            suite=suite,
            status=Status.GREEN,
            stages=tuple(StageResult(stage=stage, status=Status.GREEN, seconds=0) for stage in Stage),
            tests=(TestResult(name="x", status=TestStatus.PASSED),),
        )

    judge = ScriptedJudge(script)
    source = ScriptedSource([FIX, LONG_FIX, STILL_RED])
    turn = fix(store, judge, base, sources=[source], rules=Rules(), confirm=Suite.TEST)
    assert [(one.badge, one.fixed) for one in turn.suggestions[:2]] == [
        (Badge.TESTS_PASS, True),
        (Badge.ERRORS, False),
    ]
    # what does not even type-check is not tested
    assert sum(suite is Suite.TEST for _, suite in judge.asked) == 2


def test_a_higher_suite_that_cannot_run_leaves_the_lower_badge(
    store: TreeStore, base: TreeId, type_error: ErrorAt
) -> None:
    def script(tree: TreeId, suite: Suite) -> Answer:
        if suite is Suite.TEST:
            return InfrastructureError("no room", "free some")
        return (type_error("a.ml", 3),) if tree == base else Status.GREEN

    turn = fix(store, ScriptedJudge(script), base, sources=[ScriptedSource([FIX])], rules=Rules(), confirm=Suite.TEST)
    assert turn.best is not None
    assert turn.best.badge is Badge.TYPE_CHECKS
    assert turn.faults == ("the suite `test` could not be run: no room (free some)",)


@pytest.mark.parametrize(
    ("status", "suite", "tests", "expected"),
    [
        (Status.GREEN, Suite.CHECK, (), Badge.TYPE_CHECKS),
        (Status.GREEN, Suite.BUILD, (), Badge.BUILDS),
        (Status.GREEN, Suite.TEST, (TestStatus.PASSED,), Badge.TESTS_PASS),
        (Status.GREEN, Suite.TEST, (), Badge.BUILDS),
        (Status.GREEN, Suite.TEST, (TestStatus.SKIPPED,), Badge.BUILDS),
        (Status.RED, Suite.TEST, (), Badge.ERRORS),
        (Status.TIMEOUT, Suite.CHECK, (), Badge.UNVERIFIED),
        (Status.REJECTED, Suite.CHECK, (), Badge.UNVERIFIED),
        (Status.INFRA_ERROR, Suite.CHECK, (), Badge.UNVERIFIED),
    ],
)
def test_a_badge_claims_what_the_verdict_says_and_no_more(
    status: Status, suite: Suite, tests: tuple[TestStatus, ...], expected: Badge
) -> None:
    verdict = Verdict(
        tree="a" * 40,
        toolchain="t",
        suite=suite,
        status=status,
        stages=tuple(StageResult(stage=stage, status=status, seconds=0) for stage in suite.stages),
        tests=tuple(TestResult(name=f"t{number}", status=one) for number, one in enumerate(tests)),
    )
    assert badge(verdict) is expected
