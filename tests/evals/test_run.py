"""Running a model on tasks: what is counted, what is kept, what is told."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from greenloop.builds.scripted import Answer, ScriptedJudge
from greenloop.candidates.attempt import Outcome
from greenloop.candidates.sampling import Sampling
from greenloop.evals.measures import OwnFix
from greenloop.evals.results import ResultsFolder
from greenloop.evals.run import run, sampling_for
from greenloop.evals.scores import EvalReport
from greenloop.evals.tables import table_rows
from greenloop.models.scripted import ScriptedModel
from greenloop.models.seam import Request
from greenloop.records import (
    Asking,
    Category,
    Diagnostic,
    InfrastructureError,
    InputError,
    ModelError,
    Origin,
    RecordError,
    Status,
    Suite,
    Task,
    TreeId,
)
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]
ErrorAt = Callable[[str, int], Diagnostic]
Tasks = tuple[Task, ...]


def block(new: str, old: str = 'let x = 1 + "2"') -> str:
    return f"a.ml\n<<<<\n{old}\n====\n{new}\n>>>>\n"


FIX, STUB, NOOP = block("let x = 1 + 2"), block('let x = failwith "?"'), block('let x = 1 + "2"')
NONSENSE = "I am only a language model."
STILL_RED = block('let x = 3 + "2"')
MISSES = block("let x = 1", old="let absent = 0")


@pytest.fixture
def tasks(write: Write, type_error: ErrorAt) -> Tasks:
    """Six tasks of three authors; the number in the file tells them apart."""
    return tuple(
        Task(
            id=f"t{number}",
            author=f"author {number % 3}",
            base=write({"a.ml": f'let x = 1 + "2"\nlet task = {number}\n'}),
            prompt="fix that error",
            diagnostics=(type_error("a.ml", 1),),
            category=Category.TYPE if number % 2 else Category.UNBOUND,
            suite=Suite.CHECK,
        )
        for number in range(6)
    )


@pytest.fixture
def judge(store: TreeStore, type_error: ErrorAt) -> ScriptedJudge:
    def script(tree: TreeId, suite: Suite) -> Answer:
        return (type_error("a.ml", 1),) if b'+ "2"' in (store.read(tree, "a.ml") or b"") else Status.GREEN

    return ScriptedJudge(script)


def by(replies: Callable[[int], Sequence[str]], *, name: str = "by") -> ScriptedModel:
    """A model that answers by the number of the task that it is asked."""
    return ScriptedModel(lambda request: replies(number_of(request)), name=name)


def number_of(request: Request) -> int:
    return int(request.messages[-1].content.split("let task = ")[1][0])


def asked(model: ScriptedModel) -> list[int]:
    return [number_of(request) for request in model.requests]


FOUR = Sampling(greedy=0, sampled=4)


def start(
    tasks: Tasks,
    model: ScriptedModel,
    judge: ScriptedJudge,
    store: TreeStore,
    out: Path,
    *,
    sampling: Sampling = FOUR,
    k: int = 2,
) -> EvalReport:
    return run(
        tasks, model, judge, store, sampling=sampling, k=k, asking=Asking(budget_tokens=800), out_dir=out, dataset="d"
    )


def rates(report: EvalReport) -> dict[str, int]:
    return {rate.name: rate.count for rate in report.rates}


def test_samples_are_counted_by_stage_reason_and_group(
    tasks: Tasks, judge: ScriptedJudge, store: TreeStore, tmp_path: Path, write: Write
) -> None:
    own = write({"a.ml": "let x = 1 + 2\nlet task = 1\n"})
    model = by(lambda number: [FIX, STUB, NOOP, MISSES] if number < 3 else [NONSENSE, STILL_RED, NONSENSE, ""])
    report = run(
        tasks, model, judge, store,
        sampling=FOUR, k=2, asking=Asking(budget_tokens=800), out_dir=tmp_path,
        own_fixes={f"t{number}": OwnFix(own, size, Origin.EPISODE) for number, size in enumerate((1, 3, 40, 1))},
    )  # fmt: skip

    assert (report.tasks, report.scored, report.authors, report.n) == (6, 6, 3, 4)
    assert report.fixed_at_1 == pytest.approx(3 / 6 * 1 / 4)
    assert report.fixed_at_k == pytest.approx(3 / 6 * 1 / 2)
    assert rates(report) == {
        "format ok": 15, "applies": 12, "applies exactly": 12, "parses": 6, "types": 6, "fixed": 3,
        "fixed, exact match": 3, "no-op": 3, "stub": 3, "deletion": 0, "protected files touched": 0, "cut off": 0,
    }  # fmt: skip
    assert dict(report.reasons) == {
        "no-edit": 6, "empty": 3, "error-left": 3, "no-match": 3, "stub": 3, "unchanged": 3,
    }  # fmt: skip
    assert [(group.kind, group.name, group.tasks) for group in report.groups] == [
        ("category", "type", 3), ("category", "unbound", 3),
        ("size", "1 line", 2), ("size", "2-3 lines", 1), ("size", "over 10 lines", 1),
        ("origin", "episode", 4), ("author's tasks", "2-5 tasks", 6),
    ]  # fmt: skip
    assert report.costs.prompt_tokens > 10
    assert report.costs.reply_tokens > 1
    assert EvalReport.from_json((tmp_path / "report.json").read_text()) == report
    rows = table_rows(report)
    assert any("12.5 %" in cell for row in rows for cell in row)


@pytest.mark.parametrize("reply", [NONSENSE, "", "<think>hm", "\x00\ufffd", "a.ml\n<<<<\n====\n>>>>\n" * 3])
def test_nonsense_scores_zero_with_reasons(
    tasks: Tasks, judge: ScriptedJudge, store: TreeStore, tmp_path: Path, reply: str
) -> None:
    report = start(tasks, by(lambda _: [reply]), judge, store, tmp_path)
    assert (report.fixed_at_1, report.fixed_at_k) == (0.0, 0.0)
    assert sum(count for _, count in report.reasons) == 24
    assert "unknown" not in dict(report.reasons)
    assert report.scores[0].interval is not None
    assert 0 < report.scores[0].interval.high < 1


def test_one_reply_is_greedy_and_several_are_drawn_beside_it(
    tasks: Tasks, judge: ScriptedJudge, store: TreeStore, tmp_path: Path
) -> None:
    model = ScriptedModel(lambda _: [FIX])
    start(tasks, model, judge, store, tmp_path / "1", sampling=sampling_for(1), k=1)
    start(tasks, model, judge, store, tmp_path / "4")
    start(tasks, model, judge, store, tmp_path / "5", sampling=sampling_for(4))
    assert [(request.n, request.temperature) for request in model.requests] == [
        *[(1, 0.0)] * 6, *[(4, 0.8)] * 6, *[(1, 0.0), (4, 0.8)] * 6,
    ]  # fmt: skip


def test_a_greedy_reply_beside_samples_is_a_score_of_its_own(
    tasks: Tasks, judge: ScriptedJudge, store: TreeStore, tmp_path: Path
) -> None:
    model = ScriptedModel(lambda request: [FIX] if request.temperature == 0 else [STUB])
    report = start(tasks, model, judge, store, tmp_path, sampling=Sampling(greedy=1, sampled=3), k=3)
    assert [(score.name, score.value, score.tasks) for score in report.scores] == [
        ("fixed@1", 1.0, 6), ("fixed@3", 0.0, 6), ("fixed@1_sampled", 0.0, 6), ("fixed_shown", 1.0, 6),
        *[(f"{measure}{how}", 0.0, 0) for measure in ("same", "exact") for how in ("@1", "@3", "@1_sampled", "_shown")],
    ]  # fmt: skip


def test_a_model_that_goes_away_keeps_what_is_done_and_the_next_run_goes_on(
    tasks: Tasks, judge: ScriptedJudge, store: TreeStore, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="no reply left"):
        start(tasks, by(lambda number: [FIX] if number < 4 else []), judge, store, tmp_path)
    assert sorted(ResultsFolder(tmp_path).read()) == ["t0", "t1", "t2", "t3"]
    assert not (tmp_path / "report.json").exists()

    again = by(lambda _: [STUB])
    report = start(tasks, again, judge, store, tmp_path)
    assert asked(again) == [4, 5]
    assert report.fixed_at_1 == pytest.approx(4 / 6)

    nobody = by(lambda _: [])
    # nothing is left to ask, and the same results give the same report
    assert start(tasks, nobody, judge, store, tmp_path) == report


def test_a_torn_last_line_is_asked_again(tasks: Tasks, judge: ScriptedJudge, store: TreeStore, tmp_path: Path) -> None:
    whole = start(tasks, by(lambda _: [FIX]), judge, store, tmp_path)
    results = tmp_path / "results.jsonl"
    results.write_bytes(results.read_bytes()[:-100])
    model = by(lambda _: [FIX])
    again = start(tasks, model, judge, store, tmp_path)
    assert asked(model) == [5]
    assert (again.scores, again.rates) == (whole.scores, whole.rates)
    assert start(tasks, by(lambda _: []), judge, store, tmp_path).scores == whole.scores


def test_a_damaged_line_is_an_error_that_names_it(
    tasks: Tasks, judge: ScriptedJudge, store: TreeStore, tmp_path: Path
) -> None:
    start(tasks, by(lambda _: [FIX]), judge, store, tmp_path)
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write("what is this\n")
    with pytest.raises(RecordError, match=r"results\.jsonl:7"):
        start(tasks, by(lambda _: [FIX]), judge, store, tmp_path)


def test_results_of_another_run_are_never_mixed_in(
    tasks: Tasks, judge: ScriptedJudge, store: TreeStore, tmp_path: Path
) -> None:
    start(tasks, by(lambda _: [FIX]), judge, store, tmp_path)
    with pytest.raises(InputError, match="model was 'by', now it is 'other'"):
        start(tasks, by(lambda _: [FIX], name="other"), judge, store, tmp_path)
    (tmp_path / "run.json").unlink()
    with pytest.raises(InputError, match="without their run"):
        start(tasks, by(lambda _: [FIX]), judge, store, tmp_path)


def test_a_task_that_is_not_red_here_is_left_out_and_named(
    tasks: Tasks, judge: ScriptedJudge, store: TreeStore, tmp_path: Path, write: Write
) -> None:
    green = tasks[0].model_copy(update={"id": "green", "base": write({"a.ml": "let x = 1\n"})})
    report = start((*tasks, green), by(lambda _: [FIX]), judge, store, tmp_path)
    assert (report.tasks, report.scored, report.not_red) == (7, 6, ("green",))
    assert report.fixed_at_1 == 1.0


def test_a_fault_of_the_machine_is_no_failure_and_is_tried_again(
    tasks: Tasks, store: TreeStore, tmp_path: Path, type_error: ErrorAt
) -> None:
    broken = [b"let task = 2"]

    def script(tree: TreeId, suite: Suite) -> Answer:
        source = store.read(tree, "a.ml") or b""
        if b'+ "2"' in source:
            return (type_error("a.ml", 1),)
        return InfrastructureError("no sandbox") if any(mark in source for mark in broken) else Status.GREEN

    report = start(tasks, by(lambda _: [FIX]), ScriptedJudge(script), store, tmp_path)
    assert (report.scored, report.unjudged, report.fixed_at_1) == (5, ("t2",), 1.0)
    assert all(one.outcome is Outcome.JUDGED for r in ResultsFolder(tmp_path).read().values() for one in r.attempts)

    broken.clear()
    again = by(lambda _: [FIX])
    assert start(tasks, again, ScriptedJudge(script), store, tmp_path).scored == 6
    assert asked(again) == [2]


def test_a_machine_that_judges_nothing_stops_the_run(tasks: Tasks, store: TreeStore, tmp_path: Path) -> None:
    judge = ScriptedJudge({}, otherwise=InfrastructureError("no sandbox"))
    model = by(lambda _: [FIX])
    with pytest.raises(InfrastructureError):
        start(tasks, model, judge, store, tmp_path)
    assert len(judge.asked) == 3


def test_progress_tells_how_far_it_is(tasks: Tasks, judge: ScriptedJudge, store: TreeStore, tmp_path: Path) -> None:
    seen: list[tuple[int, int, int]] = []
    run(
        tasks, by(lambda number: [FIX] if number % 2 else [STUB]), judge, store,
        sampling=FOUR, k=1, asking=Asking(budget_tokens=800), out_dir=tmp_path, progress=lambda *now: seen.append(now),
    )  # fmt: skip
    assert seen == [(1, 6, 0), (2, 6, 1), (3, 6, 1), (4, 6, 2), (5, 6, 2), (6, 6, 3)]


@pytest.mark.parametrize(("n", "k"), [(4, 5), (4, 0), (1, 2)])
def test_a_k_that_cannot_be_estimated_is_refused_before_anything_is_asked(
    tasks: Tasks, judge: ScriptedJudge, store: TreeStore, tmp_path: Path, n: int, k: int
) -> None:
    model = by(lambda _: [FIX])
    with pytest.raises(InputError):
        start(tasks, model, judge, store, tmp_path / "out", sampling=sampling_for(n), k=k)
    assert asked(model) == []
    assert not (tmp_path / "out").exists()


def test_no_tasks_and_twin_tasks_are_refused(
    tasks: Tasks, judge: ScriptedJudge, store: TreeStore, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no task"):
        start((), by(lambda _: [FIX]), judge, store, tmp_path)
    with pytest.raises(InputError, match="same id"):
        start((*tasks, tasks[0]), by(lambda _: [FIX]), judge, store, tmp_path)
