"""The journal of a workspace: what was recorded of it, as chains of git commits that nothing else is needed to read.

Each entry is one commit: its message is JSON, its tree the snapshot's tree, its parent the entry before. A chain is
called a segment; a new one begins each day and each thousand entries, so that old ones go by dropping a ref. Its ref is
``refs/greenloop/WORKSPACE/SEQ``: the workspace's id with % escapes, and the number of the segment's first snapshot.
The first entry of a segment holds the workspace's record too.
"""

import json
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from pydantic import ValidationError

from greenloop.records import BuildReport, RecordError, Snapshot, Workspace
from greenloop.workspace.chains import Chains, Link
from greenloop.workspace.store import TreeStore

PREFIX = "refs/greenloop/"
SEGMENT_ENTRIES = 1000
_DAY = 86400

Entry = Snapshot | BuildReport


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a workspace's history that goes as a whole. Times are Unix seconds by the entries' own clocks."""

    ref: str
    workspace: str
    first_seq: int
    last_seq: int
    """The largest number of a snapshot in it; the order of entries is that of their coming."""
    first_time: float
    last_time: float
    """Of the entry that came last."""
    entries: int
    """Snapshots and reports."""
    tip: str
    """The newest commit."""

    def takes(self, snapshot: Snapshot) -> bool:
        """Say whether the next snapshot belongs to this segment, or begins another."""
        return self.entries < SEGMENT_ENTRIES and self.first_time // _DAY == snapshot.time // _DAY

    def and_then(self, entry: Entry, tip: str) -> "Segment":
        """Return the segment with one more entry."""
        last_seq = max(self.last_seq, entry.seq) if isinstance(entry, Snapshot) else self.last_seq
        return replace(self, last_seq=last_seq, last_time=entry.time, entries=self.entries + 1, tip=tip)


@dataclass(frozen=True, slots=True)
class Read:
    """An entry as it was read."""

    oid: str
    entry: Entry
    workspace: Workspace | None
    """Of the first entry of a segment."""


def ref_of(workspace: str, first_seq: int) -> str:
    """Return the ref of a segment."""
    return f"{prefix_of(workspace)}{first_seq:012d}"


def prefix_of(workspace: str) -> str:
    """Return how the refs of a workspace's segments begin."""
    # git lets no name begin or end with a dot, or hold two; "" is no name, and a lone % is no escape
    name = quote(workspace, safe="").replace(".", "%2E").replace("~", "%7E")
    return f"{PREFIX}{name or '%'}/"


def workspace_of(ref: str) -> str:
    """Return the id of the workspace whose segment has this ref."""
    name = ref.removeprefix(PREFIX).split("/")[0]
    return "" if name == "%" else unquote(name)


class Journal:
    """Writes and reads the entries of ``trees``. Writing goes into the block of ``trees.staged()`` that is open."""

    def __init__(self, trees: TreeStore) -> None:
        self._trees = trees
        self.chains = Chains(trees)

    def tips(self, workspace: str | None = None) -> dict[str, str]:
        """Return ref → newest commit of every segment, or of a workspace's, sorted by ref."""
        return dict(self.chains.tips(PREFIX if workspace is None else prefix_of(workspace)))

    def begin(self, workspace: Workspace, snapshot: Snapshot) -> Segment:
        """Write the first entry of a new segment."""
        tip = self.chains.commit(snapshot.tree, _text(snapshot, workspace), snapshot.time, None)
        seq, time = snapshot.seq, snapshot.time
        return Segment(ref_of(workspace.id, seq), workspace.id, seq, seq, time, time, 1, tip)

    def add(self, segment: Segment, entry: Entry, tree: str) -> Segment:
        """Write the next entry of a segment."""
        return segment.and_then(entry, self.chains.commit(tree, _text(entry, None), entry.time, segment.tip))

    def read(self, ref: str, tip: str, until: str | None = None) -> list[Read]:
        """Return the entries of a segment after ``until`` (a commit), oldest first; all when it is not among them."""
        workspace = workspace_of(ref)
        return [_read(link, workspace, ref) for link in reversed(list(self.chains.walk(tip, until)))]


def _text(entry: Entry, workspace: Workspace | None) -> str:
    body = entry.model_dump(mode="json", exclude={"workspace", "tree"}, exclude_defaults=True)
    body["kind"] = "snapshot" if isinstance(entry, Snapshot) else "report"
    if workspace is not None:
        body["workspace"] = workspace.model_dump(mode="json")
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def _read(link: Link, workspace: str, ref: str) -> Read:
    try:
        body = json.loads(link.message)
        kind, record = body.pop("kind"), body.pop("workspace", None)
        fields = {**body, "workspace": workspace}
        entry: Entry
        if kind == "snapshot":
            entry = Snapshot.model_validate({**fields, "tree": link.tree})
        else:
            entry = BuildReport.model_validate(fields)
        first = None if record is None else Workspace.model_validate(record)
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise RecordError(f"{link.oid}: no entry of a journal, though {ref} leads to it") from error
    named = entry.seq if link.parent is None else None
    if link.parent is None and (first is None or first.id != workspace or ref_of(workspace, named or 0) != ref):
        raise RecordError(f"{ref} leads to a history of another name: a damaged ref")
    return Read(link.oid, entry, first)
