"""Histories for tests: a store with every kind of thing in it, and all that a store holds to compare it by."""

from collections.abc import Iterable
from pathlib import Path

from greenloop.records import BuildReport, Category, Diagnostic, Severity, Snapshot, Span, Status, Suite, Workspace
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.folders import Entry, Mode
from greenloop.workspace.store import TreeStore

ANN = Workspace(id="recorder/ann/w", author="ann", title="w", source="recorder")
BOB = Workspace(id="recorder/bob/w", author="bob é", title="w", source="recorder")

Files = dict[str, bytes]

STATES: tuple[Files, ...] = (
    {"a.ml": b"let a = 1\n", "lib/b.ml": b"let b = A.a\n", "bin": b"\xff\x00", 'odd "\n name': b""},
    {"a.ml": b"let a = 2\n", "lib/b.ml": b"let b = A.a\n", "bin": b"\xff\x00"},
    {"a.ml": b"let a = 2\n", "lib/b.ml": b"let b = A.a\n", "bin": b"\xff\x00"},
    {"a.ml": b"let a = 1\n", "c.ml": b"let c = 3\n"},
    {},
)


def written(trees: TreeStore, files: Files) -> str:
    """Store a tree of these files."""
    return trees.write_tree({path: Entry(Mode.FILE, trees.write_blob(content)) for path, content in files.items()})


def record(store: SnapshotStore, workspace: Workspace, states: Iterable[Files], start: int = 0) -> None:
    """Add a snapshot of each state, twenty seconds apart."""
    store.add_workspace(workspace)
    for seq, files in enumerate(states, start):
        cut = "start" if seq == 0 else "checkout" if seq == 3 else ""
        store.add(
            [
                Snapshot(
                    workspace=workspace.id, seq=seq, time=1.5e9 + 20 * seq, tree=written(store.trees, files), cut=cut
                )
            ]
        )


def held(store: SnapshotStore) -> dict[str, list[tuple[Snapshot, Files]]]:
    """Everything a store holds, with the bytes of every file of every tree."""
    return {
        workspace.id: [
            (snapshot, {path: store.trees.read_blob(e.blob) for path, e in store.trees.files(snapshot.tree).items()})
            for snapshot in store.snapshots(workspace.id)
        ]
        for workspace in store.workspaces()
    }


def told(store: SnapshotStore) -> list[BuildReport]:
    """Every build report of a store."""
    return [report for workspace in store.workspaces() for report in store.reports(workspace.id)]


def open_store(folder: Path) -> SnapshotStore:
    """Return the store of a home of its own."""
    return SnapshotStore(folder / "snapshots.db", TreeStore(folder / "objects.git"))


def reports() -> tuple[BuildReport, ...]:
    """One report of each kind that ANN's history may hold."""
    error = Diagnostic(
        severity=Severity.ERROR,
        category=Category.TYPE,
        message="This expression has type int\nbut é",
        path="a.ml",
        span=Span(line=1, column=8, end_line=1, end_column=9),
    )
    warning = Diagnostic(severity=Severity.WARNING, category=Category.WARNING, message="unused", path=None)
    failed = Diagnostic(severity=Severity.ERROR, category=Category.TEST, message="t1 failed")
    body = {"workspace": ANN.id, "time": 1.5e9 + 5}
    return (
        BuildReport(seq=0, source="shadow", status=Status.GREEN, suite=Suite.CHECK, tool="dune;x", seconds=1.5, **body),
        BuildReport(seq=1, source="reported", status=Status.RED, diagnostics=(error, warning), **body),
        BuildReport(seq=1, source="reported", status=Status.GREEN, smeared=True, diagnostics=(warning,), **body),
        BuildReport(seq=3, source="shadow", status=Status.TIMEOUT, **body),
        BuildReport(seq=4, source="shadow", status=Status.RED, suite=Suite.TEST, diagnostics=(failed,), **body),
    )


def fill(store: SnapshotStore) -> SnapshotStore:
    """Add three workspaces, one of them empty, with reports."""
    record(store, ANN, STATES)
    record(store, BOB, STATES[1:2])
    store.add_workspace(Workspace(id="w/none", author="n", title="empty", source="recorder"))
    for report in reports():
        store.add_report(report)
    return store
