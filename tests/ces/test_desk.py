"""The desk: what waits, who shares, what is killed, and what is kept."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from greenloop.ces.backend import ASKER
from greenloop.ces.desk import Desk
from greenloop.ces.scripted import ScriptedBooks, ScriptedBuilds, ScriptedJudge, scripted_id
from greenloop.records import (
    Conflict,
    EnvironmentFault,
    Evaluation,
    EvaluationRequest,
    GreenloopError,
    InfrastructureError,
    InputError,
    Overloaded,
    Stage,
    StageResult,
    Status,
    Timings,
)

LONG = 30.0
"""Seconds that a judgement would take which a test kills."""


def ask(number: int = 0, *, fresh: bool = False, key: str | None = None) -> EvaluationRequest:
    return EvaluationRequest(revision="main", diff=f"change {number}", fresh=fresh, idempotency_key=key)


class Tried:
    """A script that raises or answers from a list, one entry a try."""

    def __init__(self, *answers: Status | GreenloopError) -> None:
        self._answers = list(answers)

    def __call__(self, _request: EvaluationRequest) -> Status | GreenloopError:
        return self._answers.pop(0)


def run(
    scene: Callable[[Desk], Awaitable[None]],
    judge: ScriptedJudge,
    books: ScriptedBooks | None = None,
    *,
    workers: int = 2,
    queue: int = 8,
    builds: ScriptedBuilds | None = None,
    sandboxed: bool = True,
) -> None:
    """Play a scene with a desk that is closed in the end, whatever becomes of it."""

    async def play() -> None:
        desk = Desk(
            judge,
            books if books is not None else ScriptedBooks(),
            builds or ScriptedBuilds({"main": "a" * 40}),
            fingerprint="f" * 64,
            workers=workers,
            queue=queue,
            sandboxed=sandboxed,
        )
        await desk.start()
        try:
            await scene(desk)
        finally:
            await desk.close()

    asyncio.run(play())


async def until(true: Callable[[], bool]) -> None:
    """Wait until something holds; five seconds without it are a failure."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.002)


def test_a_verdict_seen_before_is_told_from_the_books() -> None:
    judge, books = ScriptedJudge(), ScriptedBooks()

    async def scene(desk: Desk) -> None:
        first = await desk.evaluate(ask())
        again = await desk.evaluate(ask())
        assert (first.seen_before, again.seen_before) == (False, True)
        assert again.model_copy(update={"seen_before": False, "timings": first.timings}) == first
        assert books.log(first.id) == "scripted\n"
        await desk.evaluate(ask(fresh=True))
        assert len(judge.asked) == 2
        assert desk.load().remembered == 1

    run(scene, judge, books)

    async def later(desk: Desk) -> None:
        assert (await desk.evaluate(ask())).seen_before

    run(later, ScriptedJudge(lambda _request: Status.RED), books)


def test_an_answer_from_the_books_tells_the_time_of_its_own() -> None:
    stages = (StageResult(stage=Stage.TYPES, status=Status.GREEN, seconds=3.0),)
    timings = Timings(apply_ms=1e6, judge_ms=2e6, total_ms=3e6)
    judged = Evaluation(id="", status=Status.GREEN, stages=stages, timings=timings)

    async def scene(desk: Desk) -> None:
        assert (await desk.evaluate(ask())).timings.judge_ms == 2e6
        again = await desk.evaluate(ask())
        assert again.timings == Timings(store_ms=again.timings.total_ms, total_ms=again.timings.total_ms)
        assert 0 < again.timings.total_ms < 1e6
        assert again.stages == stages, "what the tools once took"

    run(scene, ScriptedJudge(lambda _request: judged))


def test_equal_requests_in_flight_are_judged_once() -> None:
    judge = ScriptedJudge(seconds=0.2)

    async def scene(desk: Desk) -> None:
        answers = await asyncio.gather(*(desk.evaluate(ask(key=str(number))) for number in range(10)))
        assert len({answer.id for answer in answers}) == 1
        assert len(judge.asked) == 1
        assert desk.load().coalesced == 9

    run(scene, judge)


def test_as_many_are_judged_at_a_time_as_there_are_workers() -> None:
    judge = ScriptedJudge(seconds=0.05)

    async def scene(desk: Desk) -> None:
        await asyncio.gather(*(desk.evaluate(ask(number)) for number in range(8)))
        assert judge.most == 3

    run(scene, judge, workers=3)


def test_work_is_killed_when_the_last_one_who_waits_is_gone() -> None:
    judge, books = ScriptedJudge(seconds=LONG), ScriptedBooks()

    async def scene(desk: Desk) -> None:
        waiting = [asyncio.create_task(desk.evaluate(ask())) for _ in range(2)]
        await until(lambda: judge.working == 1 and desk.load().coalesced == 1)
        waiting[0].cancel()
        await asyncio.sleep(0.05)
        assert judge.working == 1, "somebody still waits"
        waiting[1].cancel()
        await until(lambda: judge.working == 0)
        assert judge.killed == 1
        assert desk.load().cancellations == 1
        assert len(books) == 0

    run(scene, judge, books)


def test_a_request_after_a_cancelled_one_does_not_share_its_fate() -> None:
    judge = ScriptedJudge(seconds=0.3)

    async def scene(desk: Desk) -> None:
        first = asyncio.create_task(desk.evaluate(ask()))
        await until(lambda: judge.working == 1)
        first.cancel()
        await asyncio.sleep(0)
        assert (await desk.evaluate(ask())).green

    run(scene, judge, workers=1)


def test_what_waits_in_the_queue_and_is_not_wanted_is_never_begun() -> None:
    judge = ScriptedJudge(seconds=0.3)

    async def scene(desk: Desk) -> None:
        first = asyncio.create_task(desk.evaluate(ask(0)))
        await until(lambda: judge.working == 1)
        second = asyncio.create_task(desk.evaluate(ask(1)))
        await until(lambda: desk.load().queued == 1)
        second.cancel()
        await first
        await until(lambda: desk.load().running == 0)
        assert [request.diff for request in judge.asked] == ["change 0"]

    run(scene, judge, workers=1)


def test_a_full_queue_says_when_to_come_back() -> None:
    judge = ScriptedJudge(seconds=LONG)

    async def scene(desk: Desk) -> None:
        tasks = [asyncio.create_task(desk.evaluate(ask(number))) for number in range(3)]
        await until(lambda: desk.load().queued == 2)
        with pytest.raises(Overloaded) as full:
            await desk.evaluate(ask(9))
        assert full.value.retry_after > 0
        tasks.append(asyncio.create_task(desk.evaluate(ask(0))))
        await until(lambda: desk.load().coalesced == 1)  # it takes no place
        for task in tasks:
            task.cancel()

    run(scene, judge, workers=1, queue=2)


def test_the_measured_time_tells_when_to_come_back() -> None:
    async def told(seconds: float) -> float:
        judge = ScriptedJudge(seconds=lambda request: LONG if request.diff in {"change 20", "change 21"} else seconds)
        desk = Desk(judge, ScriptedBooks(), ScriptedBuilds(), fingerprint="", workers=1, queue=1)
        for number in range(12):
            await desk.evaluate(ask(number))
        tasks = [asyncio.create_task(desk.evaluate(ask(number))) for number in (20, 21)]
        await until(lambda: desk.load().queued == 1)
        with pytest.raises(Overloaded) as full:
            await desk.evaluate(ask(22))
        for task in tasks:
            task.cancel()
        await desk.close()
        return full.value.retry_after

    async def both() -> tuple[float, float]:
        return await told(0.0), await told(0.3)

    quick, slow = asyncio.run(both())
    assert quick < 0.2 < slow


def test_askers_are_served_in_turn() -> None:
    judge = ScriptedJudge(seconds=0.02)

    async def scene(desk: Desk) -> None:
        async def one(asker: str, number: int) -> None:
            ASKER.set(asker)
            await desk.evaluate(ask(number))

        greedy = [asyncio.create_task(one("greedy", number)) for number in range(20)]
        await until(lambda: desk.load().queued >= 15)
        await one("modest", 100)
        served = [request.diff for request in judge.asked]
        assert len(served) <= 12, "one request of somebody else does not wait behind all of the greedy one's"
        await asyncio.gather(*greedy)

    run(scene, judge, workers=1, queue=100)


def test_a_fault_of_the_machine_is_tried_again_and_then_told_as_such() -> None:
    fault = InfrastructureError("the disk is gone")
    judge, books = ScriptedJudge(Tried(fault, Status.RED, fault, fault, Status.GREEN)), ScriptedBooks()

    async def scene(desk: Desk) -> None:
        assert (await desk.evaluate(ask(0))).status is Status.RED
        failed = await desk.evaluate(ask(1))
        assert failed.status is Status.INFRA_ERROR
        assert "the disk is gone" in failed.note
        assert failed.id == scripted_id(ask(1))
        assert books.get(failed.id) is None, "it says nothing about the code"
        assert desk.load().retries == 2
        assert (await desk.evaluate(ask(1))).green, "the next one is judged"

    run(scene, judge, books)


def test_an_evaluation_that_says_infra_error_is_a_fault_too() -> None:
    judge, books = ScriptedJudge(Tried(Status.INFRA_ERROR, Status.INFRA_ERROR)), ScriptedBooks()

    async def scene(desk: Desk) -> None:
        assert (await desk.evaluate(ask())).status is Status.INFRA_ERROR
        assert len(books) == 0

    run(scene, judge, books)


@pytest.mark.parametrize(("sandboxed", "flags"), [(True, ()), (False, ("unsandboxed",))])
def test_a_fault_without_the_sandbox_says_so_too(sandboxed: bool, flags: tuple[str, ...]) -> None:
    fault = InfrastructureError("the disk is gone")

    async def scene(desk: Desk) -> None:
        failed = await desk.evaluate(ask())
        assert failed.status is Status.INFRA_ERROR
        assert (failed.sandboxed, failed.flags) == (sandboxed, flags)

    run(scene, ScriptedJudge(Tried(fault, fault)), sandboxed=sandboxed)


class FullDisk(ScriptedBooks):
    """Books on a disk that is full."""

    def put(self, *_: object, **__: object) -> None:
        raise EnvironmentFault("the disk is full", "free some space")


def test_what_cannot_be_kept_is_not_told_as_a_verdict() -> None:
    async def scene(desk: Desk) -> None:
        told = await desk.evaluate(ask())
        assert told.status is Status.INFRA_ERROR
        assert "disk is full" in told.note

    run(scene, ScriptedJudge(), FullDisk())


def test_wrong_input_reaches_all_who_asked() -> None:
    judge = ScriptedJudge(lambda _request: InputError("no such tree"), seconds=0.05)

    async def scene(desk: Desk) -> None:
        errors = await asyncio.gather(*(desk.evaluate(ask()) for _ in range(3)), return_exceptions=True)
        assert [str(error) for error in errors] == ["no such tree"] * 3
        assert len(judge.asked) == 1
        with pytest.raises(InputError, match="no such revision"):
            await desk.warm("other")
        assert (await desk.warm("main")).state == "green"
        assert [build.revision for build in desk.builds()] == ["main"]

    run(scene, judge)


def test_an_idempotency_key_stands_for_one_judgement() -> None:
    judge, books = ScriptedJudge(seconds=0.05), ScriptedBooks()

    async def scene(desk: Desk) -> None:
        first = await desk.evaluate(ask(fresh=True, key="k"))
        again = await desk.evaluate(ask(fresh=True, key="k"))
        assert again.seen_before
        assert again.id == first.id
        assert len(judge.asked) == 1, "fresh, but once"
        with pytest.raises(Conflict, match="'k'"):
            await desk.evaluate(ask(1, key="k"))
        flying = asyncio.create_task(desk.evaluate(ask(2, key="l")))
        await until(lambda: judge.working == 1)
        with pytest.raises(Conflict):
            await desk.evaluate(ask(3, key="l"))
        await flying
        # one who shared somebody else's judgement finds it under the own key as well
        sharing = [asyncio.create_task(desk.evaluate(ask(4, fresh=True, key=key))) for key in ("m", "n")]
        await asyncio.gather(*sharing)
        begun = len(judge.asked)
        assert (await desk.evaluate(ask(4, fresh=True, key="n"))).seen_before
        assert len(judge.asked) == begun

    run(scene, judge, books)


class SlowBooks(ScriptedBooks):
    """Tells what it found a little later."""

    def get(self, evaluation_id: str) -> Evaluation | None:
        found = super().get(evaluation_id)
        time.sleep(0.3)
        return found


@pytest.mark.parametrize("fresh", [False, True])
def test_who_looks_a_moment_too_early_hears_of_the_answer_all_the_same(fresh: bool) -> None:
    judge = ScriptedJudge(seconds=0.3)

    async def scene(desk: Desk) -> None:
        first = asyncio.create_task(desk.evaluate(ask(key="k", fresh=fresh)))
        await until(lambda: judge.working == 1)
        await asyncio.sleep(0.15)
        # it looks while the first one is at work, and is told when that has ended
        second = await desk.evaluate(ask(key="k", fresh=fresh))
        assert (await first).id == second.id
        assert len(judge.asked) == 1

    run(scene, judge, SlowBooks())


def test_closing_kills_what_runs_and_keeps_what_is_finished() -> None:
    judge, books = ScriptedJudge(lambda _request: Status.GREEN), ScriptedBooks()
    slow = ScriptedJudge(seconds=LONG)

    async def scene(desk: Desk) -> None:
        await desk.evaluate(ask(0))

    run(scene, judge, books)
    assert len(books) == 1

    async def ending(desk: Desk) -> None:
        waiting = [asyncio.create_task(desk.evaluate(ask(number))) for number in range(1, 5)]
        await until(lambda: slow.working == 2)
        await desk.close()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(end, InfrastructureError) and "going down" in end.message for end in ends)
        assert (slow.killed, slow.working) == (2, 0)
        with pytest.raises(InfrastructureError):
            await desk.evaluate(ask(9))

    run(ending, slow, books)
    assert len(books) == 1


def test_a_desk_whose_machine_is_not_ready_does_not_start() -> None:
    def not_ready() -> None:
        raise InfrastructureError("no overlay", "mount one")

    async def play() -> None:
        desk = Desk(ScriptedJudge(), ScriptedBooks(), ScriptedBuilds(), fingerprint="", ready=not_ready)
        with pytest.raises(InfrastructureError, match="no overlay"):
            await desk.start()
        await desk.close()

    asyncio.run(play())


def test_a_mistake_in_a_judge_is_raised_and_the_desk_goes_on() -> None:
    def broken(request: EvaluationRequest) -> Status:
        if request.diff == "change 0":
            raise ZeroDivisionError
        return Status.GREEN

    async def scene(desk: Desk) -> None:
        with pytest.raises(ZeroDivisionError):
            await desk.evaluate(ask(0))
        assert (await desk.evaluate(ask(1))).green
        assert desk.load().running == 0

    run(scene, ScriptedJudge(broken), workers=1)


def test_who_waits_for_a_base_keeps_no_thread_from_others() -> None:
    judge = ScriptedJudge()

    async def scene(desk: Desk) -> None:
        waiting = [asyncio.create_task(desk.evaluate(ask(number))) for number in range(3)]
        await until(lambda: desk.load().queued == 3)
        assert desk.load().running == 0
        other = EvaluationRequest(base_tree="b" * 40, diff="x")
        assert (await desk.evaluate(other)).green
        assert judge.asked == [other]
        waiting.pop().cancel()
        with pytest.raises(Overloaded):
            await asyncio.gather(*(desk.evaluate(ask(number)) for number in range(10, 13)))
        assert [told.status for told in await asyncio.gather(*waiting)] == [Status.GREEN] * 2

    run(scene, judge, workers=1, queue=4, builds=ScriptedBuilds(looks=20))


def test_closing_ends_who_waits_for_a_base() -> None:
    async def scene(desk: Desk) -> None:
        waiting = asyncio.create_task(desk.evaluate(ask()))
        await until(lambda: desk.load().queued == 1)
        await desk.close()
        with pytest.raises(InfrastructureError):
            await waiting

    run(scene, ScriptedJudge(), builds=ScriptedBuilds(looks=10**6))
