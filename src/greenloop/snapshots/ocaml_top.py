"""Importing the recorded sessions of E. Seidel and R. Jhala, "A Collection of Novice Interactions with the OCaml
Top-Level System" (2017, doi 10.5281/zenodo.806814), repacked as one event a line.

Each (student, file) becomes one workspace of one file, each event one snapshot: the student asked the top level to
evaluate at that moment, so the states are deliberate ones.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from greenloop.records import RecordError, Snapshot, Status, TreeId, Workspace
from greenloop.snapshots.lines import read_lines
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import Entry, Mode, TreeStore

SOURCE = "ocaml-top"
"""The ``source`` of the workspaces made here."""

_PROGRESS_EVERY = 500


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What a file of sessions held, and how many of its snapshots were new to the store."""

    events: int
    workspaces: int
    trees: int
    new: int


class _Result(BaseModel):
    model_config = ConfigDict(extra="ignore")

    error: str


class _Event(BaseModel):
    """One line. The fields that are not read here (cursor, region) may be missing."""

    model_config = ConfigDict(extra="ignore")

    term: str
    student: str
    file: str
    time: float
    event: Literal["eval", "abort", "stop"]
    body: str
    results: list[_Result]


class _Moment(NamedTuple):
    """An event without its text, to be put in order. ``line`` breaks ties of time."""

    time: float
    line: int
    tree: TreeId
    deliberate: bool
    reported: Status | None


def import_sessions(path: Path, store: SnapshotStore, progress: Callable[[int], None] | None = None) -> ImportReport:
    """Add the sessions of ``path`` (JSON lines, xz or plain) to ``store``, all or none; to repeat it does nothing.

    ``progress`` is called now and then with the number of events read. An event with a failed definition is
    reported red. None is reported green: students evaluated the whole file in 1 event of 15,720, and a part that
    passes says nothing about the rest.

    Raises ``RecordError``, naming file and line, when the file is foreign, damaged or cut short.
    """
    with store.trees.staged():
        return _import(path, store, progress)


def _import(path: Path, store: SnapshotStore, progress: Callable[[int], None] | None) -> ImportReport:
    trees = _Trees(store.trees)
    workspaces: dict[str, Workspace] = {}
    moments: defaultdict[str, list[_Moment]] = defaultdict(list)
    number = 0
    for number, line in read_lines(path):
        try:
            event = _Event.model_validate_json(line)
        except ValidationError as error:
            raise RecordError(
                f"{path}:{number}: no event of an OCaml top-level session: {_first(error)}",
                "each line is an object with term, student, file, time, event, body and results",
            ) from error
        names = {name: _safe(value) for name, value in (("term", event.term), ("student", event.student))}
        file = _safe(event.file)
        if not all((*names.values(), file)):
            raise RecordError(f"{path}:{number}: term, student or file holds no letter that can name anything")
        workspace = f"{SOURCE}/{names['term']}/{names['student']}/{file}"
        workspaces[workspace] = Workspace(id=workspace, author=names["student"], title=file, source=SOURCE)
        moments[workspace].append(
            _Moment(
                event.time,
                number,
                trees.of(file, event.body),
                event.event == "eval",
                Status.RED if any(result.error for result in event.results) else None,
            )
        )
        if progress is not None and number % _PROGRESS_EVERY == 0:
            progress(number)
    snapshots = (
        _snapshot(workspace, seq, moment)
        for workspace in sorted(moments)
        for seq, moment in enumerate(sorted(moments[workspace]))
    )
    new = store.add_history(workspaces.values(), snapshots)
    if progress is not None:
        progress(number)
    return ImportReport(events=number, workspaces=len(workspaces), trees=trees.count, new=new)


def _snapshot(workspace: str, seq: int, moment: _Moment) -> Snapshot:
    return Snapshot(
        workspace=workspace,
        seq=seq,
        time=moment.time,
        tree=moment.tree,
        cut="start" if seq == 0 else "",
        deliberate=moment.deliberate,
        reported=moment.reported,
    )


def _first(error: ValidationError) -> str:
    what = error.errors()[0]
    where = ".".join(str(step) for step in what["loc"])
    return f"{where}: {what['msg']}" if where else str(what["msg"])


def _safe(name: str) -> str:
    """Return ``name`` as one part of a path: letters, digits, ``.``, ``_`` and ``-``, no dot in front."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".")


class _Trees:
    """One-file trees; a text that was just there is not stored again."""

    def __init__(self, store: TreeStore) -> None:
        self._store = store
        self._made: dict[tuple[str, str], TreeId] = {}

    @property
    def count(self) -> int:
        """How many different trees were asked for."""
        return len(set(self._made.values()))

    def of(self, file: str, body: str) -> TreeId:
        blob = self._store.write_blob(body.encode())
        made = self._made.get((file, blob))
        if made is None:
            made = self._store.write_tree({file: Entry(Mode.FILE, blob)})
            self._made[file, blob] = made
        return made
