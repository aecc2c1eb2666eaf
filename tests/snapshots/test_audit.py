"""The audit log: it only grows, and a line that a kill tore takes no other with it."""

from pathlib import Path

from greenloop.snapshots import audit


def test_what_is_noted_is_read_in_order(tmp_path: Path) -> None:
    audit.append(tmp_path, "consent", workspace="recorder/ann/w")
    audit.append(tmp_path, "purge", workspace="recorder/ann/w", snapshots=3)

    first, second = audit.read(tmp_path)

    assert (first.event, first.facts) == ("consent", {"workspace": "recorder/ann/w"})
    assert (second.event, second.facts["snapshots"]) == ("purge", 3)
    assert first.by
    assert first.time <= second.time


def test_a_home_without_a_log_has_an_empty_one(tmp_path: Path) -> None:
    assert list(audit.read(tmp_path)) == []


def test_a_line_that_a_kill_tore_is_passed_by(tmp_path: Path) -> None:
    audit.append(tmp_path, "start")
    with (tmp_path / "audit.jsonl").open("ab") as file:
        file.write(b'{"event": "pau')

    assert [one.event for one in audit.read(tmp_path)] == ["start"]


def test_the_log_is_read_after_a_kill_and_what_followed_it(tmp_path: Path) -> None:
    audit.append(tmp_path, "start")
    with (tmp_path / "audit.jsonl").open("ab") as file:
        file.write(b'{"event": "pau')
    audit.append(tmp_path, "end")

    assert [one.event for one in audit.read(tmp_path)] == ["start", "end"]
