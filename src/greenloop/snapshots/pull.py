"""Taking in what a team shared: every history of a store that ``snapshots.push`` wrote.

A history that is damaged, or contradicts what this home holds, is told of and left out; the others come. What was
taken in stays when its writer purges it: a pull says so, and who keeps a copy has to purge that too.
"""

from dataclasses import dataclass
from pathlib import Path

from greenloop.records import InputError, RecordError
from greenloop.snapshots.exports.scratch import scratch
from greenloop.snapshots.exports.seam import Progress, silent
from greenloop.snapshots.exports.segments import History, Piece, copied, take
from greenloop.snapshots.push import histories, place
from greenloop.snapshots.remote import Remote
from greenloop.snapshots.store import SnapshotStore

MAX_MIB = 1024
"""Of one piece that is read."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull came to."""

    workspaces: int
    new: int
    """Snapshots that were new here."""
    new_reports: int
    purged: tuple[str, ...]
    """Workspaces that are still here, and that their writer purged."""
    troubles: tuple[str, ...]
    """Histories that did not come, or not as a whole, and why."""


def pull(
    store: SnapshotStore, remote: Remote, *, writer: str = "", max_mib: int = MAX_MIB, progress: Progress = silent
) -> Pulled:
    """Add all histories of ``remote`` but those of ``writer``, this home's own; to pull again adds only what is new.

    Raises ``InputError`` when nobody pushed to it, ``EnvironmentFault`` when the store cannot be read, ``RecordError``
    when a manifest is none.
    """
    told = histories(remote).values()
    if not told:
        raise InputError(
            f"{remote.shown}: nobody pushed to it",
            "import a file that `greenloop record export` wrote as jsonl or pack, or a place to which somebody's "
            "`greenloop record push` went",
        )
    found = [one for one in told if one.writer != writer]
    known = {workspace.id for workspace in store.workspaces()}
    purged = tuple(one.workspace.id for one in found if one.purged and one.workspace.id in known)
    new = new_reports = 0
    troubles: list[str] = []
    with scratch(store) as folder:
        for number, history in enumerate(found, 1):
            if not history.purged:
                try:
                    came = take(store, history, _Fetch(remote), folder, max_mib=max_mib)
                except InputError as error:
                    troubles.append(_trouble(history, error))
                else:
                    new, new_reports = new + came.new, new_reports + came.new_reports
            progress(number, len(found))
    return Pulled(len(found), new, new_reports, purged, tuple(troubles))


def _trouble(history: History, error: InputError) -> str:
    told = f"{history.workspace.id}: {error}"
    if history.rewritten and not isinstance(error, RecordError):
        told += "; its writer rewrote it, as a purge does: purge it here and pull again"
    return told


class _Fetch:
    """Brings pieces."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def __call__(self, piece: Piece, path: Path) -> None:
        parts = self._remote.parts(place(piece), most=piece.size)
        if parts is None:
            raise RecordError(f"{place(piece)} is not in the store", "its writer's next push sends it again")
        copied(parts, path)
