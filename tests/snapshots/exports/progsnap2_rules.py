"""The rules of ProgSnap2 1.0 that a data set can be checked by, from the standard's own tables.

Source: the definition of columns, event types and enumerations in
https://github.com/CSSPLICE/ProgSnapToolkit (``progsnap2-v1.0.yaml``), and the cheat sheet in
https://github.com/CSSPLICE/progsnap2. Only the event types that stand here may be written, or ones with ``X-``.
"""

import csv
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

PROPERTIES = {
    "Version",
    "IsEventOrderingConsistent",
    "EventOrderScope",
    "EventOrderScopeColumns",
    "CodeStateRepresentation",
    "ProgramInputLinkTable",
}
REQUIRED = {"EventType", "EventID", "CodeStateID", "SubjectID", "ToolInstances"}
OPTIONAL = {"Order", "ClientTimestamp", "ServerTimestamp", "TeamID", "LoggingErrorID", "IsFabricatedEvent"}
EVENTS: dict[str, tuple[set[str], set[str]]] = {
    # event type → columns that it must have, columns that it may have
    "Session.Start": ({"SessionID"}, set()),
    "Session.End": ({"SessionID"}, set()),
    "Project.Open": ({"ProjectID"}, set()),
    "Project.Close": ({"ProjectID"}, set()),
    "File.Create": ({"CodeStateSection"}, {"EventInitiator"}),
    "File.Delete": ({"CodeStateSection"}, {"EventInitiator"}),
    "File.Edit": (
        {"CodeStateSection", "EditType"},
        {"EventInitiator", "SourceLocation", "InsertText", "DeleteText", "DeleteLength", "ParentEventID"},
    ),
    "Compile": ({"CodeStateSection", "CompileResult"}, {"EventInitiator"}),
    "Compile.Error": (
        {"ParentEventID", "CodeStateSection", "CompileMessageType", "CompileMessageData"},
        {"SourceLocation"},
    ),
    "Compile.Warning": (
        {"ParentEventID", "CodeStateSection", "CompileMessageType", "CompileMessageData"},
        {"SourceLocation"},
    ),
    "Run.Program": ({"ExecutionResult"}, {"ExecutionID", "Score", "ProgramInput", "ProgramOutput"}),
}
"""A message about no place has no ``SourceLocation``: the standard asks for the column, which may then be empty."""
VALUES = {
    "CompileResult": {"Success", "Warning", "Error"},
    "ExecutionResult": {"Success", "Timeout", "Error", "TestFailed"},
    "IsFabricatedEvent": {"true", "false"},
    "EditType": {
        *("Insert", "Delete", "Replace", "Move", "Paste", "Undo", "Redo", "Refactor", "Reset", "GenericEdit"),
    },
    "EventInitiator": {
        *("UserDirectAction", "UserIndirectAction", "ToolReaction", "ToolTimedEvent"),
        *("InstructorDirectAction", "InstructorIndirectAction"),
        *("TeamMemberDirectAction", "TeamMemberIndirectAction"),
    },
}

Row = dict[str, str]


def rows(path: Path) -> list[Row]:
    """Read a table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def violations(folder: Path) -> list[str]:
    """Return what of a data set breaks a rule; nothing where it is valid."""
    return [*_metadata(folder), *_main(folder), *_links(folder)]


def _metadata(folder: Path) -> Iterator[str]:
    table = rows(folder / "DatasetMetadata.csv")
    found = {row["Property"]: row["Value"] for row in table}
    if len(found) != len(table):
        yield "a property stands twice"
    yield from (f"{name}: no property of the standard" for name in found.keys() - PROPERTIES)
    if re.fullmatch(r"\d+\.\d+(\.\d+)?", found.get("Version", "")) is None:
        yield "Version is no semantic version"
    if found.get("IsEventOrderingConsistent") not in {"true", "false"}:
        yield "IsEventOrderingConsistent is no boolean"
    if found.get("EventOrderScope") not in {"Global", "Restricted", "None"}:
        yield "EventOrderScope"
    if found.get("CodeStateRepresentation") not in {"Table", "Directory", "Git", "Keystroke"}:
        yield "CodeStateRepresentation"
    columns = set(rows(folder / "MainTable.csv")[0])
    scope = [name for name in found.get("EventOrderScopeColumns", "").split(";") if name]
    if found.get("EventOrderScope") == "Restricted" and not scope:
        yield "Restricted, by no column"
    yield from (f"{name}: a scope that is no column" for name in scope if name not in columns)


def _main(folder: Path) -> Iterator[str]:
    table = rows(folder / "MainTable.csv")
    yield from (f"no column {name}" for name in REQUIRED - set(table[0]))
    ids = [row["EventID"] for row in table]
    if len(set(ids)) != len(ids):
        yield "an EventID stands twice"
    seen: set[str] = set()
    commits: dict[Path, set[str]] = {}
    for row in table:
        yield from (f"{row['EventID']}: {words}" for words in _event(row, seen))
        yield from _state(folder, row, commits)
        seen.add(row["EventID"])
    orders: dict[tuple[str, str], int] = {}
    for row in table:
        scope = (row["SubjectID"], row["ProjectID"])
        if int(row["Order"]) <= orders.get(scope, 0):
            yield f"{row['EventID']}: Order does not grow"
        orders[scope] = int(row["Order"])


def _event(row: Row, seen: set[str]) -> Iterator[str]:
    kind = row["EventType"]
    if not kind.startswith("X-") and kind not in EVENTS:
        yield f"{kind} is no event type"
        return
    must, may = EVENTS.get(kind, (set[str](), set[str]()))
    # the Git representation is organised by subject and project, so each event names both
    allowed = REQUIRED | OPTIONAL | must | may | {"ProjectID"}
    given = {name for name, value in row.items() if value}
    yield from (f"{kind} without {name}" for name in (must | REQUIRED - {"CodeStateID"}) - given)
    yield from (f"{kind} with {name}" for name in given - allowed)
    yield from (f"{name} is {row[name]!r}" for name in given & VALUES.keys() if row[name] not in VALUES[name])
    if row["ParentEventID"] and row["ParentEventID"] not in seen:
        yield "a parent that comes later or never"
    if datetime.fromisoformat(row["ClientTimestamp"]).tzinfo is None:
        yield "a time without its offset"
    if row["SourceLocation"] and re.fullmatch(r"Text:\d+:\d+(-\d+:\d+)?", row["SourceLocation"]) is None:
        yield f"SourceLocation {row['SourceLocation']!r}"
    if any(not part.strip() for part in row["ToolInstances"].split(";")):
        yield "an empty tool"


def _state(folder: Path, row: Row, commits: dict[Path, set[str]]) -> Iterator[str]:
    place = folder / "CodeStates" / row["SubjectID"] / row["ProjectID"]
    if place not in commits:
        commits[place] = set(git(place, "rev-list", "--all").split())
    if row["CodeStateID"] and row["CodeStateID"] not in commits[place]:
        yield f"{row['EventID']}: {row['CodeStateID']} is no commit"
    elif row["EventType"] in {"File.Create", "File.Edit"}:
        found = git(place, "ls-tree", "-r", "-z", "--name-only", row["CodeStateID"]).split("\0")
        if row["CodeStateSection"] not in found:
            yield f"{row['EventID']}: no such file in its state"


def _links(folder: Path) -> Iterator[str]:
    ids = {row["EventID"] for row in rows(folder / "MainTable.csv")}
    for table in (folder / "LinkTables").glob("*.csv"):
        if not table.stem.startswith("Link"):
            yield f"{table.name} is no name of a link table"
        yield from (f"{table.name}: no event {row['EventID']}" for row in rows(table) if row["EventID"] not in ids)


def git(place: Path, *arguments: str) -> str:
    """Return what git says of a repository of code states."""
    return subprocess.run(["git", "-C", place, *arguments], check=True, capture_output=True, text=True).stdout
