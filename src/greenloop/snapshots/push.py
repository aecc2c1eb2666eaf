"""Sending histories to a store that a team shares, and what is sent when.

    packs/NAME               pieces of histories (``exports.segments``); never change, shared by all who have the same
    writers/WRITER/KEY.json  the history of one workspace as one writer tells it; only that writer replaces it
    writers/WRITER/sending   names of pieces that come or go; there while a push runs, or after it was killed

A writer is a home. Pieces go first and the manifest last, so a reader sees the old history or the new one, and a push
that was killed is taken up where it ended: pieces that are there are not sent again. No lock is needed, since no two
writers write the same manifest.

What a purge took out of a history is no longer told at the next push: the manifest is replaced (a purged workspace
leaves one that says so and tells nothing), and then the pieces that only this writer had told of are deleted. A piece
that another writer tells of too stays: they hold the same content themselves. Should a piece be deleted that another
writer was just about to tell of, its next push finds that out and sends it again.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from greenloop.records import InputError, RecordError, Workspace
from greenloop.snapshots.exports.scratch import scratch
from greenloop.snapshots.exports.seam import Counter, Names, PlainNames, Progress, chosen, silent
from greenloop.snapshots.exports.segments import MAX_SNAPSHOTS, History, Piece, Run, Segment, compared, cut, runs
from greenloop.snapshots.remote import Remote
from greenloop.snapshots.store import SnapshotStore
from greenloop.storage import made_once

SMALL = 4 << 20
"""Bytes of a segment that is sent again, with what came after it, so that many small ones become one."""
MAX_MANIFEST = 64 << 20
_WRITERS = "writers/"
_PACKS = "packs/"
_SENDING = "sending"


@dataclass(slots=True)
class Pushed:
    """What a push came to: counts of snapshots and pieces, and bytes."""

    workspaces: int = 0
    snapshots: int = 0
    """Snapshots that the store did not know of, or not as they are now."""
    sent: int = 0
    sent_bytes: int = 0
    there: int = 0
    """Pieces that were there already."""
    deleted: int = 0
    shared: int = 0
    """Pieces that this writer tells of no more, and that stay since others do."""
    withdrawn: tuple[str, ...] = ()
    """Workspaces that were purged here and are told of no more."""
    trouble: str = ""
    """Why nothing could be deleted, if so: what was purged here is then still there."""


def writer_id(path: Path) -> str:
    """Return the name of this home as a writer, kept in the file ``path``; it is made, at random, when missing.

    Raises ``InputError`` when the file holds something else.
    """
    text = made_once(path, lambda: secrets.token_hex(8))
    if len(text) != 16 or not text.isalnum():
        raise InputError(f"{path}: holds no writer's name", "delete it; this home will be a new writer")
    return text


def push(
    store: SnapshotStore,
    remote: Remote,
    writer: str,
    workspaces: Sequence[str] = (),
    *,
    names: Names = PlainNames(),  # noqa: B008 - it holds nothing
    progress: Progress = silent,
) -> Pushed:
    """Send the histories of ``workspaces`` (ids; none means all), as far as the store does not have them.

    Workspaces that this writer told of and that are purged here are withdrawn, whatever is named.
    Raises ``InputError`` when an id is unknown, ``EnvironmentFault`` when the store refuses; then running it again
    sends the rest.
    """
    picked = chosen(store, workspaces)
    store.trees.flush()
    with scratch(store) as folder:
        sender = _Sender(store, remote, writer, names, folder, Counter(store, picked, progress))
        for workspace in picked:
            sender.send(workspace)
        sender.withdraw({_key(names.shown(one)) for one in store.workspaces()})
        sender.clean()
    return sender.done


def histories(remote: Remote) -> dict[str, History]:
    """Return every manifest of a store by its name. Raises ``RecordError`` when one is none."""
    found: dict[str, History] = {}
    for name in sorted(remote.sizes(_WRITERS)):
        if name.endswith(".json"):
            history = read_history(remote, name)
            if history is not None:
                found[name] = history
    return found


def read_history(remote: Remote, name: str) -> History | None:
    """Return one manifest; ``None`` when it is not there. Raises ``RecordError`` when it is none."""
    text = remote.read(name, most=MAX_MANIFEST)
    if text is None:
        return None
    try:
        return History.from_json(text.decode())
    except (RecordError, UnicodeDecodeError) as error:
        raise RecordError(f"{remote.shown}: {name}: {error}", "its writer's next push replaces it") from error


def place(piece: Piece) -> str:
    """Return where a piece lies."""
    return f"{_PACKS}{piece.name[:2]}/{piece.name}"


def _key(shown: Workspace) -> str:
    return hashlib.sha256(shown.id.encode("utf-8", "surrogateescape")).hexdigest()[:32]


@dataclass(slots=True)
class _Sender:
    """One push."""

    store: SnapshotStore
    remote: Remote
    writer: str
    names: Names
    folder: Path
    counter: Counter
    done: Pushed = field(default_factory=Pushed)
    present: dict[str, int] = field(init=False)
    left: set[str] = field(init=False)
    """Pieces of this writer's that may be told of no more."""
    told: set[str] = field(default_factory=set)
    """Pieces that this push told of."""
    announced: bool = field(init=False)

    def __post_init__(self) -> None:
        self.present = self.remote.sizes(_PACKS)
        # there after a push that was killed: what it sent is told of now, or by nobody
        self.left = _read_names(self.remote, self._name(_SENDING))
        self.announced = bool(self.left)

    def _name(self, last: str) -> str:
        return f"{_WRITERS}{self.writer}/{last}"

    def send(self, workspace: Workspace) -> None:
        """Send one workspace."""
        shown = self.names.shown(workspace)
        name = self._name(f"{_key(shown)}.json")
        before = self._own(name)
        old = before or History(writer=self.writer, workspace=shown)
        if old.workspace != shown:
            old = old.model_copy(update={"workspace": shown, "segments": (), "rewritten": old.rewritten + 1})
        found = compared(self.store, old, workspace.id)
        whole = list(takewhile(self._whole, old.segments[: found.same]))
        segments = self._cut(workspace, shown, self._stay(whole, workspace.id))
        new = History(
            writer=self.writer,
            workspace=shown,
            segments=tuple(segments),
            rewritten=old.rewritten + found.rewritten,
        )
        if before is not None:
            self._announce(_places(before) - _places(new))
        if new != before:
            self.remote.write(name, new.to_json().encode())
        self.told.update(_places(new))
        self.done.workspaces += 1

    def _own(self, name: str) -> History | None:
        try:
            return read_history(self.remote, name)
        except RecordError:
            # it is this writer's own, and is about to be written anew
            return None

    def _whole(self, segment: Segment) -> bool:
        return all(self._there(piece) for piece in segment.pieces)

    def _there(self, piece: Piece) -> bool:
        return self.present.get(place(piece)) == piece.size

    def _stay(self, same: list[Segment], workspace: str) -> list[Segment]:
        """Take back small segments at the end that are fewer than what is new: so their number stays small."""
        new = self.store.count(workspace) - sum(segment.snapshots for segment in same)
        while new and len(same) > 1:
            last = same[-1]
            if last.size > SMALL or last.snapshots > new or last.snapshots + new > MAX_SNAPSHOTS:
                break
            new += same.pop().snapshots
        return same

    def _cut(self, workspace: Workspace, shown: Workspace, segments: list[Segment]) -> list[Segment]:
        ends = [segment.last for segment in segments]
        for number, run in enumerate(runs(self.store, workspace.id, ends)):
            if number >= len(segments):
                segment = cut(self.store, run, shown, self.folder)
                self._upload(segment)
                segments.append(segment)
                self.done.snapshots += segment.snapshots
            self._count(run)
        return segments

    def _count(self, run: Run) -> None:
        for _ in run.snapshots:
            self.counter.add()

    def _upload(self, segment: Segment) -> None:
        missing = [piece for piece in segment.pieces if not self._there(piece)]
        self.done.there += len(segment.pieces) - len(missing)
        if missing:
            # told before it is sent: who cleans up beside us leaves it alone, and after a kill we know of it
            self._announce(place(piece) for piece in missing)
        for piece in missing:
            path = self.folder / piece.name
            self.remote.write(place(piece), path)
            self.present[place(piece)] = piece.size
            self.done.sent += 1
            self.done.sent_bytes += piece.size
        for piece in set(segment.pieces):
            (self.folder / piece.name).unlink()

    def _announce(self, places: Iterable[str]) -> None:
        """Note that pieces may be told of no more, so that a push after a kill deletes them."""
        new = set(places) - self.left
        if new:
            self.left |= new
            self.remote.write(self._name(_SENDING), json.dumps(sorted(self.left)).encode())
            self.announced = True

    def withdraw(self, known: set[str]) -> None:
        """Tell no more of workspaces that are not here any more."""
        for name in self.remote.sizes(self._name("")):
            key = name.rpartition("/")[2].removesuffix(".json")
            if not name.endswith(".json") or key in known:
                continue
            old = self._own(name)
            if old is None or old.purged:
                continue
            gone = History(writer=self.writer, workspace=old.workspace, rewritten=old.rewritten + 1, purged=True)
            self._announce(_places(old))
            self.remote.write(name, gone.to_json().encode())
            self.done.withdrawn = (*self.done.withdrawn, old.workspace.id)

    def clean(self) -> None:
        """Delete what this writer told of or sent, and nobody tells of now."""
        doubtful = (self.left & self.present.keys()) - self.told
        if doubtful:
            try:
                told = self._told_by_anyone()
            except RecordError as error:
                # who cannot be read may tell of anything: nothing is deleted, and the next push tries again
                self.done.trouble = str(error)
                return
            own = told.pop(self.writer, set())
            others = set[str]().union(*told.values())
            gone = sorted(doubtful - own - others)
            self.remote.delete(gone)
            self.done.deleted = len(gone)
            self.done.shared = len((doubtful & others) - own)
        if self.announced:
            self.remote.delete([self._name(_SENDING)])

    def _told_by_anyone(self) -> dict[str, set[str]]:
        """Return writer → names of the pieces that it tells of, or is about to."""
        told: dict[str, set[str]] = {}
        for name in self.remote.sizes(_WRITERS):
            writer = name.removeprefix(_WRITERS).partition("/")[0]
            mine = told.setdefault(writer, set())
            if name.endswith(".json"):
                history = read_history(self.remote, name)
                mine.update(() if history is None else _places(history))
            elif name.endswith(f"/{_SENDING}") and writer != self.writer:
                mine.update(_read_names(self.remote, name))
        return told


def _places(history: History) -> set[str]:
    return {place(piece) for segment in history.segments for piece in segment.pieces}


def _read_names(remote: Remote, name: str) -> set[str]:
    """Return the names in a list of pieces under way; none when it is not there."""
    text = remote.read(name, most=MAX_MANIFEST)
    try:
        names = json.loads(text or b"[]")
    except ValueError as error:
        raise RecordError(f"{remote.shown}: {name}: no list of names", "delete it") from error
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise RecordError(f"{remote.shown}: {name}: no list of names", "delete it")
    return set(names)
