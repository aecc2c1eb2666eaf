"""Moments as people write them on the command line, a time of today, a date, or how long ago; and as they read them."""

import re
import time
from datetime import datetime

from greenloop.records import InputError

FORMS = "`14:30` today, `2026-11-20`, `2026-11-20 14:30`, `30min`, `2h` or `3d` ago, or Unix seconds"
"""What ``moment`` reads, for the help of the options that take one."""

_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(_SECONDS)})(?: ago)?")
_UNIX = re.compile(r"\d{9,11}(?:\.\d+)?")
_CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d)?")


def moment(text: str, option: str = "--since", *, now: float | None = None) -> float:
    """Return the moment, in Unix seconds; without an offset it is local time. ``now`` is the present.

    Raises ``InputError``, which names ``option``, when it is no moment, or one that is yet to come: a time of the clock
    is of today, never of yesterday.
    """
    present = time.time() if now is None else now
    words = text.strip()
    span = _SPAN.fullmatch(words)
    if span is not None:
        return present - float(span[1]) * _SECONDS[span[2]]
    if _CLOCK.fullmatch(words):
        words = f"{time.strftime('%Y-%m-%d', time.localtime(present))} {words.zfill(len('14:30'))}"
    try:
        found = float(words) if _UNIX.fullmatch(words) else datetime.fromisoformat(words).timestamp()
    except (ValueError, OverflowError) as error:
        raise InputError(f"{option}: {text!r} is no time", f"write {FORMS}") from error
    if found > present:
        raise InputError(f"{option}: {text!r} is yet to come", f"name the day too: {FORMS}")
    return found


def shown_moment(seconds: float) -> str:
    """Return Unix seconds as date and time of day, local time: ``2026-11-20 14:30:00``."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
