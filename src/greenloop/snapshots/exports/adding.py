"""Adding what was read to a store: once, however often it comes."""

from itertools import groupby

from greenloop.snapshots.exports.journal import Reader
from greenloop.snapshots.exports.seam import Imported
from greenloop.snapshots.store import SnapshotStore


def added(store: SnapshotStore, read: Reader) -> Imported:
    """Add the workspaces, snapshots and reports of ``read`` that are new.

    They come all or none. Raises ``InputError`` when they contradict what the store holds.
    """
    new_reports = 0
    with store.trees.staged():
        new = store.add_history(read.workspaces, read.snapshots)
        for workspace, reports in groupby(read.reports, key=lambda report: report.workspace):
            present = {report.to_json() for report in store.reports(workspace)}
            for report in reports:
                if report.to_json() not in present:
                    store.add_report(report)
                    new_reports += 1
    return Imported(
        workspaces=len(read.workspaces),
        snapshots=len(read.snapshots),
        reports=len(read.reports),
        blobs=len(read.blobs),
        new=new,
        new_reports=new_reports,
    )
