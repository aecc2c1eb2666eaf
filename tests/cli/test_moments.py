"""Moments as people write them."""

import time
from datetime import datetime

import pytest

from greenloop.cli.moments import moment
from greenloop.records import InputError

NOW = datetime(2026, 11, 21, 16, 0, 0).astimezone().timestamp()


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("14:30", "2026-11-21T14:30:00"),
        ("9:05", "2026-11-21T09:05:00"),
        ("14:30:15", "2026-11-21T14:30:15"),
        ("2026-11-20", "2026-11-20T00:00:00"),
        ("2026-11-20 14:30", "2026-11-20T14:30:00"),
        ("2026-11-20T14:30", "2026-11-20T14:30:00"),
        ("30min", "2026-11-21T15:30:00"),
        ("90m", "2026-11-21T14:30:00"),
        ("2h", "2026-11-21T14:00:00"),
        ("1.5h ago", "2026-11-21T14:30:00"),
        ("3d", "2026-11-18T16:00:00"),
        ("1w", "2026-11-14T16:00:00"),
    ],
)
def test_what_people_write(text: str, means: str) -> None:
    assert moment(text, now=NOW) == datetime.fromisoformat(means).timestamp()


def test_an_offset_is_heeded_and_the_present_is_now() -> None:
    assert moment("2026-11-20T14:30+00:00", now=NOW) == 1_795_185_000.0
    assert moment("1h") == pytest.approx(time.time() - 3600, abs=5)


@pytest.mark.parametrize("text", ["", "soon", "d", "-3d", "nan", "25:00", "2026-13-01", "3 years", "0001-01-01"])
def test_what_is_no_time_is_told_with_what_is(text: str) -> None:
    with pytest.raises(InputError, match=r"--since: .* is no time") as told:
        moment(text, now=NOW)
    assert "`30min`" in told.value.way_out


def test_what_is_yet_to_come_is_not_taken_for_yesterday() -> None:
    with pytest.raises(InputError, match="yet to come"):
        moment("16:30", now=NOW)
