"""What is known of each snapshot, by which source, and where runs end."""

from greenloop.records import BuildReport, Category, Diagnostic, Severity, Snapshot, Status, Suite, Verdict
from greenloop.snapshots.standing import runs, standings


def snapshot(seq: int, time: float, cut: str = "", reported: Status | None = None) -> Snapshot:
    return Snapshot(workspace="w", seq=seq, time=time, tree=f"{seq:040}", cut=cut, reported=reported)


def report(seq: int, status: Status, time: float = 0.0, **more: object) -> BuildReport:
    fields = {"workspace": "w", "seq": seq, "time": time, "source": "shadow", "status": status, **more}
    return BuildReport.model_validate(fields)


def test_the_teams_own_build_goes_before_the_shadows_and_that_before_a_verdict() -> None:
    history = [snapshot(seq, seq) for seq in range(4)] + [snapshot(4, 4, reported=Status.RED)]
    said = [
        report(0, Status.RED, 5, source="reported"),
        report(0, Status.GREEN, 9),
        report(1, Status.RED, 1),
        report(1, Status.GREEN, 2),
        report(2, Status.GREEN, 2, smeared=True),
        report(3, Status.RED, 2, smeared=True),
    ]
    verdicts = {
        history[seq].tree: Verdict(tree=history[seq].tree, toolchain="t", suite=Suite.CHECK, status=Status.RED)
        for seq in (0, 1, 2)
    }
    found = [(one.status, one.source, one.smeared) for one in standings(history, said, verdicts)]
    assert found == [
        (Status.RED, "reported", None),
        (Status.GREEN, "shadow", None),
        (Status.RED, "verdict", None),
        (None, "", Status.RED),
        (Status.RED, "reported", None),
    ]


def test_the_shadow_explains_what_the_team_only_reported() -> None:
    error = Diagnostic(severity=Severity.ERROR, category=Category.OTHER, message="why")
    said = [
        report(0, Status.RED, diagnostics=(error,)), report(0, Status.RED, 1, source="reported"),
        report(1, Status.RED, diagnostics=(error,)), report(1, Status.GREEN, 1, source="reported"),
    ]  # fmt: skip
    first, second = standings([snapshot(0, 0), snapshot(1, 1)], said, {})
    assert (first.source, first.first_error) == ("reported", error)
    assert (second.status, second.diagnostics) == (Status.GREEN, ())


def test_runs_end_at_another_status_a_cut_or_a_pause_and_not_at_a_commit() -> None:
    history = [
        snapshot(0, 0, "start"),
        snapshot(1, 10, "commit"),
        snapshot(2, 20),
        snapshot(3, 30, "checkout"),
        snapshot(4, 1000),
    ]
    said = [report(0, Status.GREEN), report(1, Status.GREEN), *(report(seq, Status.RED) for seq in (2, 3, 4))]
    found = runs(standings(history, said, {}), idle_seconds=100)
    assert [[one.snapshot.seq for one in run.standings] for run in found] == [[0, 1], [2], [3], [4]]
    assert [(run.cut, run.pause, run.end) for run in found] == [
        ("start", 0, 20), ("", 0, 20), ("checkout", 0, 30), ("", 970, 1000)
    ]  # fmt: skip
    assert runs([], idle_seconds=1) == ()
