"""How much may run at the same time in so much memory. The sandbox's limits hold what runs to what is reckoned here."""

from dataclasses import dataclass

from greenloop.records import InputError


@dataclass(frozen=True, slots=True)
class Shares:
    """``warmers`` builds from nothing at a time, and ``checkers`` that stay alive between edits."""

    warmers: int
    checkers: int


def share(memory_mib: int, *, workers: int, build_mib: int = 1024, checker_mib: int = 512) -> Shares:
    """Divide ``memory_mib`` MiB: first one build for each of ``workers`` judgements, then a warmer, then checkers.

    A second warmer takes the place of as many checkers as it costs, but only where half of the rest is left to
    them: a checker serves every edit, a warmer only new revisions. Raises ``InputError`` when not even one judgement
    and one warmer fit.
    """
    left = memory_mib - workers * build_mib - build_mib
    if left < 0:
        raise InputError(
            f"{memory_mib} MiB of memory are too little for {workers} workers and a warmer",
            f"allow {(workers + 1) * build_mib} MiB, or fewer workers",
        )
    more = min(workers - 1, left // 2 // build_mib)
    return Shares(warmers=1 + max(0, more), checkers=(left - max(0, more) * build_mib) // checker_mib)
