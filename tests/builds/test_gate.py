"""The gate: no more at a time than its width, by turns between keys, and nobody waits who does not want to."""

import threading
import time
from collections.abc import Callable

import pytest

from greenloop.builds.gate import Gate, GatedJudge
from greenloop.builds.scripted import ScriptedJudge
from greenloop.builds.stop import Stop
from greenloop.records import Cancelled, Status, Suite

GENEROUS = 30.0


def wait(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GENEROUS
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_busy_key_does_not_keep_the_others_waiting() -> None:
    gate, order = Gate(1), list[str]()
    with Stop() as stop:
        release = threading.Event()

        def work(key: str) -> None:
            with gate.inside(key, stop):
                order.append(key)
                release.wait(GENEROUS)

        threads = [threading.Thread(target=work, args=(key,)) for key in ("a", "a", "a", "a", "b", "c")]
        for at, thread in enumerate(threads):
            thread.start()
            # the first is inside, the others have taken their places in this order
            wait(lambda at=at: len(order) + sum(map(len, gate._waiting.values())) == at + 1)  # type: ignore[misc]
        assert order == ["a"]
        release.set()
        for thread in threads:
            thread.join()
    assert order[:4] == ["a", "a", "b", "c"] or order[:3] == ["a", "b", "c"]
    assert sorted(order) == ["a", "a", "a", "a", "b", "c"]


def test_who_waits_may_be_cancelled() -> None:
    gate = Gate(1)
    with Stop() as held, Stop() as stop, gate.inside("a", held):
        threading.Timer(0.1, stop.request).start()
        with pytest.raises(Cancelled), gate.inside("b", stop):
            pytest.fail("there was no room")


def test_a_gated_judge_lets_others_in_between_two_trees() -> None:
    judge = ScriptedJudge({}, otherwise=Status.GREEN)
    gate = Gate(1)
    with Stop() as stop:
        gated = GatedJudge(judge, gate, "a", stop)
        verdicts = gated.judge_many(["1" * 40, "2" * 40, "1" * 40], Suite.CHECK)
        assert [verdict.green for verdict in verdicts.values()] == [True, True]
        assert len(judge.asked) == 2
        stop.request()
        with pytest.raises(Cancelled):
            gated.judge("3" * 40, Suite.CHECK)


def test_a_judgement_that_takes_long_ends_when_asked() -> None:
    judge = ScriptedJudge({}, otherwise=Status.GREEN, seconds=600.0)
    with Stop() as stop:
        threading.Timer(0.1, stop.request).start()
        with pytest.raises(Cancelled):
            judge.until(stop).judge("1" * 40, Suite.CHECK)
