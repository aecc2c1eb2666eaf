"""The log of feedback: whole events survive crashes, tears are told, damage is not mistaken for a tear."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.feedback.log import FeedbackLog
from greenloop.records import EnvironmentFault, Feedback, FeedbackKind, RecordError


def event(number: int, kind: FeedbackKind = FeedbackKind.SHOWN, model: str = "m") -> Feedback:
    return Feedback(
        time=float(number),
        kind=kind,
        suggestion=f"s{number}",
        base="a" * 40,
        result=f"{number:040x}",
        model=model,
        badge="type-checks",
    )


def test_an_absent_log_is_empty(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "none.jsonl")
    assert list(log.read()) == []
    assert log.scan().torn == ()
    assert not log.path.exists()


def test_events_come_back_in_the_order_of_writing(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "deep" / "log.jsonl")
    written = [event(3), event(1), event(2, model="naïve ✓\n\u2028")]
    for one in written:
        log.append(one)
    assert list(FeedbackLog(log.path).read()) == written


def test_only_what_was_accepted_is_named(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "log.jsonl")
    for number, kind in enumerate(FeedbackKind):
        log.append(event(number, kind))
    accepted = list(FeedbackKind).index(FeedbackKind.ACCEPTED)
    log.append(event(accepted, FeedbackKind.ACCEPTED))
    assert [result for _, result in log.accepted()] == [f"{accepted:040x}"]


@settings(deadline=None)
@given(kept=st.integers(min_value=1, max_value=450))
def test_a_torn_last_line_is_told_and_costs_nothing_else(tmp_path_factory: pytest.TempPathFactory, kept: int) -> None:
    log = FeedbackLog(tmp_path_factory.mktemp("torn") / "log.jsonl")
    log.append(event(1))
    whole = log.path.stat().st_size
    log.append(event(2, model="é" * 60))
    cut = min(whole + kept, log.path.stat().st_size)
    with log.path.open("r+b") as file:
        file.truncate(cut)
    # an event that lacks its line end only is there
    lost = not log.path.read_bytes().rstrip(b"\n").endswith(b'"version":1,"words":""}')
    survivors = [event(1)] if lost else [event(1), event(2, model="é" * 60)]
    assert log.scan().torn == ((2,) if lost else ())
    assert list(log.read()) == survivors

    log.append(event(3))
    assert list(log.read()) == [*survivors, event(3)]
    assert log.scan().torn == ((2,) if lost else ())


@pytest.mark.parametrize(
    "line", ["garbage", "[1]", '{"record":"Verdict","version":1}', '{"record":"Feedback","version":9}']
)
def test_damage_and_later_versions_are_errors_that_name_the_line(tmp_path: Path, line: str) -> None:
    log = FeedbackLog(tmp_path / "log.jsonl")
    log.append(event(1))
    with log.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RecordError, match=r"log\.jsonl:2: "):
        list(log.read())


def test_a_refusing_disk_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="file"):
        FeedbackLog(tmp_path / "file" / "log.jsonl").append(event(1))


_APPENDER = """
import sys
from pathlib import Path
from greenloop.feedback.log import FeedbackLog
from greenloop.records import Feedback
path, event, worker = sys.argv[1:]
log, event = FeedbackLog(Path(path)), Feedback.from_json(event)
for number in range(50):
    log.append(event.model_copy(update={"time": 1000.0 * int(worker) + number}))
"""


def test_lines_of_several_processes_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    one = event(0, model="x" * 5000).to_json()
    workers = [subprocess.Popen([sys.executable, "-c", _APPENDER, str(path), one, str(number)]) for number in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    reading = FeedbackLog(path).scan()
    assert reading.torn == ()
    for number in range(3):
        mine = [int(one.time) for one in reading.events if int(one.time) // 1000 == number]
        assert mine == [1000 * number + step for step in range(50)]


def test_requests_are_the_words_that_people_typed(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "log.jsonl")
    typed = ["fix it", "", "fix it", "why?\nplease"]
    for number, words in enumerate(typed):
        log.append(event(number, FeedbackKind.REQUESTED).model_copy(update={"words": words}))
    log.append(event(9).model_copy(update={"words": "shown, not typed"}))
    # what was written before events had words is read as well
    old = event(10, FeedbackKind.REQUESTED).to_json().replace(',"words":""', "")
    with log.path.open("a") as file:
        file.write(f"{old}\n")
    assert "words" not in old
    assert log.requests() == ("fix it", "fix it", "why?\nplease")
