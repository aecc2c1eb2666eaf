"""One writer: training reads the log, statistics read the funnel, and neither has what the other has not need of."""

from pathlib import Path

import pytest
from tests.aid.metrics.conftest import Event

from greenloop.aid.metrics.prometheus import PrometheusSink
from greenloop.aid.metrics.recording import Recording
from greenloop.aid.metrics.sink import ListSink
from greenloop.feedback.funnel import Funnel
from greenloop.feedback.log import FeedbackLog
from greenloop.records.funnel import FunnelEvent, Retained, Step, label

CANARY = "CANARY-let secret = 42 in /home/ann/ledger.ml"
ONE, TWO = "1" * 40, "2" * 40


def test_each_event_is_kept_once_in_each_place(tmp_path: Path, funnel: Funnel, event: Event) -> None:
    log, counting = FeedbackLog(tmp_path / "feedback.jsonl"), ListSink()
    recording = Recording(log, funnel, [counting])
    recording.note_with_words(event(Step.REQUESTED, base=ONE), CANARY)
    recording.note(event(Step.PARSED))
    recording.note(event(Step.SHOWN, suggestion="s1", base=ONE, result=TWO, hunks=2, badge="type-checks"))
    recording.note(event(Step.ACCEPTED, suggestion="s1", base=ONE, result=TWO, hunks=1, acceptance="a1"))
    recording.note(event(Step.ENDED, outcome="done"))
    steps = [Step.REQUESTED, Step.PARSED, Step.SHOWN, Step.ACCEPTED, Step.ENDED]
    assert [one.step for one in funnel.events()] == steps
    assert [one.step for one in counting.events] == steps
    # what mining reads
    assert log.accepted() == ((ONE, TWO),)
    assert log.requests() == (CANARY,)
    assert len(tuple(log.read())) == 3


def test_no_word_code_or_path_reaches_the_funnel_or_the_metrics(tmp_path: Path, event: Event) -> None:
    path, prometheus = tmp_path / "funnel.db", PrometheusSink()
    with Funnel(path) as funnel:
        recording = Recording(FeedbackLog(tmp_path / "feedback.jsonl"), funnel, [prometheus])
        names = {name: label(f"local:{CANARY}") for name in ("model", "strategy", "context", "fault", "workspace")}
        recording.note_with_words(event(Step.REQUESTED, base=ONE, **names), CANARY)
        recording.note(event(Step.ENDED, outcome="failed", **names))
    written = b"".join(file.read_bytes() for file in tmp_path.glob("funnel.db*")) + prometheus.text()
    assert b"requested" in written
    for piece in (b"CANARY", b"secret", b"/home", b"ledger"):
        assert piece not in written


@pytest.mark.parametrize(
    "field", ["turn", "task", "model", "strategy", "context", "client", "kind", "fault", "badge", "outcome"]
)
@pytest.mark.parametrize("text", [CANARY, "/home/ann/ledger.ml", "let x", "a\nb", '"x"'])
def test_an_event_has_no_room_for_them(event: Event, field: str, text: str) -> None:
    with pytest.raises(ValueError, match=field):
        event(Step.ENDED, **{field: text})


def test_arms_have_no_room_for_them_either(event: Event) -> None:
    with pytest.raises(ValueError, match="arms"):
        event(Step.SHOWN, arms={"hints": CANARY})


def test_a_label_is_itself_or_a_hash() -> None:
    assert label("qwen2.5-coder") == "qwen2.5-coder"
    assert label("") == ""
    hashed = label("local:/models/secret.gguf")
    assert hashed.startswith("sha-")
    assert label(hashed) == hashed
    assert hashed != label("local:/models/other.gguf")


def test_the_funnel_survives_its_process_and_reads_from_a_moment_on(tmp_path: Path, event: Event) -> None:
    path = tmp_path / "funnel.db"
    with Funnel(path) as first:
        for number in range(2500):
            first.add(event(Step.PARSED, time=float(number)))
        first.keep(Retained(acceptance="a1", horizon="30s", kept=1, of=2))
        first.keep(Retained(acceptance="a1", horizon="30s", kept=2, of=2))
    with Funnel(path) as again:
        assert [one.time for one in again.events(990.0)] == [float(number) for number in range(990, 2500)]
        assert again.retained() == (Retained(acceptance="a1", horizon="30s", kept=2, of=2),)


def test_an_event_is_a_record(event: Event) -> None:
    made = event(Step.SHOWN, arms={"hints": "long"}, hunks=3)
    assert FunnelEvent.from_json(made.to_json()) == made
