"""How a workspace stood over time: the status of each snapshot, where it came from, and the runs that they make.

A status comes from a report that is true of exactly that snapshot, the team's own before the shadow's, else from a
verdict on its tree. Nothing is judged here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from greenloop.records import COMMIT, BuildReport, Diagnostic, Severity, Snapshot, Status, TreeId, Verdict

Source = Literal["reported", "shadow", "verdict", ""]


@dataclass(frozen=True, slots=True)
class Standing:
    """One snapshot, and what is known of it."""

    snapshot: Snapshot
    status: Status | None = None
    source: Source = ""
    """Where the status came from; empty where there is none."""
    smeared: Status | None = None
    """What the last build said that cannot be told to be of this very tree, where nothing better is known."""
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def first_error(self) -> Diagnostic | None:
        """The first diagnostic of severity error."""
        return next((one for one in self.diagnostics if one.severity is Severity.ERROR), None)


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring snapshots of one status, in order, with nothing between them that cuts.

    ``cut`` is what happened before it, as in ``Snapshot``; ``pause`` is how many seconds passed without a change before
    it, where that was long, else 0; ``end`` is when the next run began, or the time of its last snapshot where a cut or
    a pause ended it. Times in Unix seconds.
    """

    standings: tuple[Standing, ...]
    before: TreeId | None
    """The tree of the snapshot before the first, if there is one."""
    cut: str
    pause: float
    end: float

    @property
    def first(self) -> Standing:
        """Its first snapshot."""
        return self.standings[0]

    @property
    def last(self) -> Standing:
        """Its last snapshot."""
        return self.standings[-1]


def standings(
    snapshots: Iterable[Snapshot], reports: Iterable[BuildReport], verdicts: Mapping[TreeId, Verdict]
) -> Iterator[Standing]:
    """Yield how each snapshot of one workspace stands."""
    clear: dict[int, BuildReport] = {}
    smeared: dict[int, BuildReport] = {}
    explained: dict[tuple[int, Status], tuple[Diagnostic, ...]] = {}
    for report in reports:
        if report.diagnostics and not report.smeared:
            explained[report.seq, report.status] = report.diagnostics
        kept = smeared if report.smeared else clear
        known = kept.get(report.seq)
        # the newest of the better source
        if known is None or _rank(report) >= _rank(known):
            kept[report.seq] = report
    for snapshot in snapshots:
        told, verdict = clear.get(snapshot.seq), verdicts.get(snapshot.tree)
        if told is not None:
            # a build that told no more than its end may have been explained by another one of the same tree
            found = told.diagnostics or explained.get((told.seq, told.status), ())
            yield Standing(snapshot, told.status, told.source, diagnostics=found)
        elif verdict is not None:
            yield Standing(snapshot, verdict.status, "verdict", diagnostics=verdict.diagnostics)
        elif snapshot.reported is not None:
            # from a history that came with statuses, and without their reports
            yield Standing(snapshot, snapshot.reported, "reported")
        elif (blurred := smeared.get(snapshot.seq)) is not None:
            yield Standing(snapshot, smeared=blurred.status)
        else:
            yield Standing(snapshot)


def _rank(report: BuildReport) -> tuple[bool, float]:
    return report.source == "reported", report.time


def runs(found: Iterable[Standing], idle_seconds: float) -> tuple[Run, ...]:
    """Return the runs of one workspace, in order; a commit does not end one."""
    done: list[Run] = []
    current: list[Standing] = []
    before: TreeId | None = None
    cut, pause = "", 0.0
    for standing in found:
        snapshot = standing.snapshot
        if not current:
            current, cut = [standing], snapshot.cut
            continue
        last = current[-1]
        gap = max(0.0, snapshot.time - last.snapshot.time)
        cuts = snapshot.cut if snapshot.cut != COMMIT else ""
        idle = gap if gap > idle_seconds else 0.0
        if not (cuts or idle) and (standing.status, standing.smeared) == (last.status, last.smeared):
            current.append(standing)
            continue
        end = last.snapshot.time if cuts or idle else snapshot.time
        done.append(Run(tuple(current), before, cut, pause, end))
        before, cut, pause, current = last.snapshot.tree, snapshot.cut, idle, [standing]
    if current:
        done.append(Run(tuple(current), before, cut, pause, current[-1].snapshot.time))
    return tuple(done)
