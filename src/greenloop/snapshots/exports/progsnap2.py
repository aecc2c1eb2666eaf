"""Histories as a ProgSnap2 data set, which tools for research on how people program read.

The standard is ProgSnap2 1.0 (https://cssplice.org/progsnap2; the machine-readable definition of the columns and
event types is in https://github.com/CSSPLICE/ProgSnapToolkit), the version after the numbered drafts 1 to 8:

    DatasetMetadata.csv         properties of the data set
    MainTable.csv               the events
    LinkTables/LinkSnapshot.csv what else is known of a snapshot, by the EventID of its X-Snapshot
    CodeStates/SUBJECT/PROJECT  a git repository a workspace; CodeStateIDs are its commits (``exports.code_states``)
    README.md                   what is ours: the event types with X-, what was made up, what is not there

A subject is an author, a project is a workspace; names of folders are percent-encoded. Events are ordered within a
project, by sequence number: clocks of recorders are not compared.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from greenloop import __version__
from greenloop.records import BuildReport, Category, Diagnostic, Severity, Snapshot, Status, Workspace
from greenloop.snapshots.exports.code_states import CodeStates
from greenloop.snapshots.exports.seam import Counter, Exported, Names, PlainNames, Progress, chosen, new_folder, silent
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import Change

VERSION = "1.0"
COLUMNS = (
    "EventType",
    "EventID",
    "Order",
    "SubjectID",
    "ProjectID",
    "ToolInstances",
    "CodeStateID",
    "ClientTimestamp",
    "SessionID",
    "ParentEventID",
    "CodeStateSection",
    "EditType",
    "EventInitiator",
    "CompileResult",
    "CompileMessageType",
    "CompileMessageData",
    "SourceLocation",
    "ExecutionResult",
    "IsFabricatedEvent",
)
"""The columns of the main table."""
LINK_COLUMNS = ("EventID", "Seq", "Tree", "Cut", "Deliberate", "Skipped")
_SESSION_CUTS = frozenset({"start"})

_README = """# A Greenloop history as ProgSnap2 {version}

Recorded by Greenloop {greenloop}: a snapshot of a folder at intervals while somebody worked in it.

- `X-Snapshot` is an event of every snapshot; the `File.*` events after it are what differs from the snapshot before.
  Edits have `EditType` GenericEdit: a snapshot knows what came out, not the keystrokes. Renames are a File.Delete and
  a File.Create. The first snapshot of a project has no `File.*` events: its files were there before.
- `Session.*` and `Project.Open` are made from where the recorder started (`IsFabricatedEvent`).
- `Compile` is a build of the whole folder, so its `CodeStateSection` is `.`; so is that of a message about no file. A
  build during which files changed has no `CodeStateID`. `X-Build` is a build that came to no result.
- `Run.Program` with `TestFailed` is a build whose tests failed.
- `SourceLocation` is `Text:LINE:COLUMN-LINE:COLUMN`; lines and columns count from 1, columns in UTF-8 bytes, the end
  is exclusive.
- `LinkTables/LinkSnapshot.csv` holds the sequence number, the git tree, what happened just before (`Cut`), whether a
  build was asked for at that moment, and how many files were left out.
- Names of folders below `CodeStates`, SubjectIDs and ProjectIDs are percent-encoded.
"""


def export_progsnap2(
    store: SnapshotStore,
    target: Path,
    workspaces: Sequence[str] = (),
    *,
    names: Names = PlainNames(),  # noqa: B008 - it holds nothing
    progress: Progress = silent,
) -> Exported:
    """Write the data set into the folder ``target``, which must not be there, or be empty.

    Raises ``InputError`` when it is not, or when an id is unknown.
    """
    picked = chosen(store, workspaces)
    counter = Counter(store, picked, progress)
    reports = 0
    with new_folder(target) as folder, ExitStack() as stack:
        _metadata(folder)
        main = _Csv(stack, folder / "MainTable.csv", COLUMNS)
        link = _Csv(stack, folder / "LinkTables/LinkSnapshot.csv", LINK_COLUMNS)
        (folder / "CodeStates").mkdir()
        for workspace in picked:
            shown = names.shown(workspace)
            one = _Project(store, shown, main, link)
            reports += one.write(folder, workspace.id, counter)
    return Exported(len(picked), counter.done, reports, 0)


def _metadata(folder: Path) -> None:
    rows = {
        "Version": VERSION,
        "IsEventOrderingConsistent": "true",
        "EventOrderScope": "Restricted",
        "EventOrderScopeColumns": "SubjectID;ProjectID",
        "CodeStateRepresentation": "Git",
    }
    with (folder / "DatasetMetadata.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("Property", "Value"), *rows.items()])
    (folder / "README.md").write_text(_README.format(version=VERSION, greenloop=__version__), "utf-8")


class _Csv:
    """A table that grows a row at a time; each row gets the next number."""

    def __init__(self, stack: ExitStack, path: Path, columns: Sequence[str]) -> None:
        path.parent.mkdir(exist_ok=True)
        file = stack.enter_context(path.open("w", encoding="utf-8", errors="backslashreplace", newline=""))
        self._writer = csv.DictWriter(file, columns, restval="")
        self._writer.writeheader()
        self.rows = 0

    def add(self, row: dict[str, Any]) -> None:
        self.rows += 1
        self._writer.writerow(row)


class _Project:
    """Writes the events of one workspace."""

    def __init__(self, store: SnapshotStore, shown: Workspace, main: _Csv, link: _Csv) -> None:
        self._store = store
        self._main = main
        self._link = link
        self._shown = shown
        self._subject = encoded(shown.author or "UNKNOWN")
        self._project = encoded(shown.id)
        self._state = ""
        self._session = ""
        self._at = 0.0

    def write(self, folder: Path, workspace: str, counter: Counter) -> int:
        """Write all events; return how many build reports there were."""
        reports = _Pending(self._store.reports(workspace))
        before = self._store.trees.empty
        place = folder / "CodeStates" / self._subject / self._project
        with CodeStates(place, self._store.trees, self._shown.author) as states:
            previous: Snapshot | None = None
            for snapshot in self._store.snapshots(workspace):
                if previous is not None:
                    self._reports(reports.until(snapshot.seq), previous)
                changes = self._store.trees.changes(before, snapshot.tree)
                if not self._state or changes:
                    self._state = states.commit(snapshot.tree, changes, snapshot.time)
                self._snapshot(snapshot, changes if previous is not None else (), first=previous is None)
                before, previous = snapshot.tree, snapshot
                counter.add()
            if previous is not None:
                self._reports(reports.until(None), previous)
        self._end_session()
        return reports.taken

    def _snapshot(self, snapshot: Snapshot, changes: Iterable[Change], *, first: bool) -> None:
        begins = first or snapshot.cut in _SESSION_CUTS
        if begins:
            self._end_session()
        self._at = snapshot.time
        if begins:
            self._session = self._event("Session.Start", IsFabricatedEvent="true", SessionID=self._next_id())
        if first:
            self._event("Project.Open", IsFabricatedEvent="true")
        parent = self._event("X-Snapshot")
        self._link.add(
            {
                "EventID": parent,
                "Seq": snapshot.seq,
                "Tree": snapshot.tree,
                "Cut": snapshot.cut,
                "Deliberate": str(snapshot.deliberate).lower(),
                "Skipped": snapshot.skipped,
            }
        )
        # what a checkout or a merge wrote, a person asked for, and did not type
        initiator = "UserIndirectAction" if snapshot.cut else ""
        for change in changes:
            where = {"CodeStateSection": change.path, "EventInitiator": initiator}
            if change.old is None:
                self._event("File.Create", **where)
            elif change.new is None:
                self._event("File.Delete", **where)
            else:
                self._event("File.Edit", **where, EditType="GenericEdit", ParentEventID=parent)

    def _reports(self, reports: Iterable[BuildReport], snapshot: Snapshot) -> None:
        for report in reports:
            self._at = max(report.time, snapshot.time)
            self._report(report, state="" if report.smeared else self._state)

    def _report(self, report: BuildReport, state: str) -> None:
        common = {"CodeStateID": state, "ToolInstances": _tools(report.tool)}
        shadow = "ToolTimedEvent" if report.source == "shadow" else ""
        if report.status not in {Status.GREEN, Status.RED}:
            self._event("X-Build", **common)
            return
        told = [one for one in report.diagnostics if one.category is not Category.TEST]
        errors = [one for one in told if one.severity is Severity.ERROR]
        warnings = [one for one in told if one.severity is Severity.WARNING]
        tests_alone = not errors and len(told) < len(report.diagnostics)
        failed = report.status is Status.RED and not tests_alone
        result = "Error" if failed else "Warning" if warnings else "Success"
        parent = self._event("Compile", **common, CodeStateSection=".", CompileResult=result, EventInitiator=shadow)
        for kind, found in (("Compile.Error", errors if failed else []), ("Compile.Warning", warnings)):
            for diagnostic in found:
                self._event(kind, **common, **_message(diagnostic), ParentEventID=parent)
        if report.status is Status.RED and tests_alone:
            self._event("Run.Program", **common, ExecutionResult="TestFailed")

    def _end_session(self) -> None:
        if self._session:
            self._event("Session.End", SessionID=self._session, IsFabricatedEvent="true")
        self._session = ""

    def _next_id(self) -> str:
        return str(self._main.rows + 1)

    def _event(self, kind: str, **columns: str) -> str:
        """Write an event and return its id."""
        id_ = self._next_id()
        row = {
            "EventType": kind,
            "EventID": id_,
            "Order": id_,
            "SubjectID": self._subject,
            "ProjectID": self._project,
            "ToolInstances": _tools(),
            "CodeStateID": self._state,
            "ClientTimestamp": stamp(self._at),
            **columns,
        }
        self._main.add(row)
        return id_


class _Pending:
    """The reports of a workspace, handed out as far as the history has come."""

    def __init__(self, reports: Iterable[BuildReport]) -> None:
        self._reports = iter(sorted(reports, key=lambda report: (report.seq, report.time)))
        self._next = next(self._reports, None)
        self.taken = 0

    def until(self, seq: int | None) -> Iterator[BuildReport]:
        """Yield the reports on snapshots before ``seq``; ``None`` means all that are left."""
        while self._next is not None and (seq is None or self._next.seq < seq):
            self.taken += 1
            yield self._next
            self._next = next(self._reports, None)


def _tools(tool: str = "") -> str:
    # the list is separated by semicolons
    return ";".join(part for part in (f"Greenloop {__version__}", tool.replace(";", ",")) if part)


def _message(diagnostic: Diagnostic) -> dict[str, str]:
    span = diagnostic.span
    return {
        "CodeStateSection": diagnostic.path or ".",
        "CompileMessageType": diagnostic.category.value,
        "CompileMessageData": diagnostic.message,
        "SourceLocation": ""
        if span is None
        else f"Text:{span.line}:{span.column + 1}-{span.end_line}:{span.end_column + 1}",
    }


def stamp(seconds: float) -> str:
    """Return Unix seconds as ProgSnap2 writes a time: ISO 8601 with its offset from UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f%z")


def encoded(name: str) -> str:
    """Return a name as the name of a folder: percent-encoded, and never one that leads elsewhere."""
    return quote(name, safe="") if name.strip(".") else name.replace(".", "%2E")
