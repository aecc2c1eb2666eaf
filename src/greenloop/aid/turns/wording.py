"""How a turn went, in a sentence for people."""

from collections.abc import Sequence

from greenloop.aid.protocol.session import Problem
from greenloop.aid.protocol.turns import Account
from greenloop.aid.turns.pool import Suggestions
from greenloop.assists.turn import why_not
from greenloop.records import Badge, Verdict


def account(before: Verdict | None, problems: tuple[Problem, ...], suggestions: Suggestions | None) -> Account:
    """Return what a turn began with, ``before`` with its first ``problems``, and what it came to."""
    attempts = suggestions.attempts if suggestions is not None else []
    status = before.status.value if before is not None else ""
    return Account(before=status, problems=problems, attempts=len(attempts), why_not=dict(why_not(attempts)))


def summary(before: Verdict | None, suggestions: Suggestions, faults: Sequence[str]) -> str:
    """Return one or two plain sentences."""
    told = f" {'; '.join(faults)}." if faults else ""
    if not suggestions.attempts:
        return f"Nothing was proposed.{told}"
    if not suggestions.order:
        reasons = ", ".join(dict.fromkeys(one.detail or one.reason for one in suggestions.attempts))
        return f"Nothing to show: no reply led to a changed tree ({reasons}).{told}"
    best = suggestions.order[0]
    count = len(suggestions.order)
    among = "" if count == 1 else f" Best of {count}."
    if best.attempt.flags:
        said = f"The best suggestion deserves mistrust ({', '.join(best.attempt.flags)}): {best.label}."
    elif best.attempt.fixed and best.badge is Badge.ERRORS:
        said = f"The error is fixed, and others are left: {best.label}."
    elif best.attempt.fixed:
        said = f"Fixed: {best.label}."
    elif best.badge in {Badge.ERRORS, Badge.UNVERIFIED}:
        said = f"Nothing here is verified to work: {best.label}."
    elif before is not None and before.errors:
        said = f"{best.label}, but the error is not honestly fixed."
    else:
        said = f"{best.label[:1].upper()}{best.label[1:]}."
    return f"{said}{among}{told}"
