"""The timeline names every snapshot's status."""

from typing import Any

from greenloop.builds.scripted import ScriptedJudge
from greenloop.mining.timeline import timeline
from greenloop.records import Status, Suite


def test_every_snapshot_has_its_status(lab: Any) -> None:
    lab.record(lab.tree("let x = 1\n"), lab.tree("let x = bad\n"), lab.tree("let x = 1\n"))
    lab.record(lab.tree("let loop = 1\n"), cut="checkout", deliberate=True)
    moments = timeline(lab.snapshots.snapshots("w"), ScriptedJudge(lab.answer), Suite.CHECK)
    assert [moment.status for moment in moments] == [Status.GREEN, Status.RED, Status.GREEN, Status.TIMEOUT]
    assert [moment.seq for moment in moments] == [0, 1, 2, 3]
    assert (moments[3].cut, moments[3].deliberate, moments[3].time) == ("checkout", True, 1120.0)
