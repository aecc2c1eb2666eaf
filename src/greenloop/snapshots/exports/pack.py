"""Histories as one file that another machine imports: a ZIP of the pieces that ``exports.segments`` makes.

    greenloop-pack.json   {"format": "greenloop-pack", "version": 1, "histories": [History…]}
    pieces/NAME           journals and git packs, each named by the SHA-256 of its bytes

On import every piece is compared with its name, every pack is unpacked in quarantine object by object
(``workspace.packs``), and every tree is built again and compared with its id.
"""

import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from greenloop.records import RecordError
from greenloop.snapshots.exports.scratch import scratch
from greenloop.snapshots.exports.seam import (
    Counter,
    Exported,
    Imported,
    Names,
    PlainNames,
    Progress,
    chosen,
    new_file,
    silent,
)
from greenloop.snapshots.exports.segments import History, Piece, copied, cut, runs, take
from greenloop.snapshots.store import SnapshotStore
from greenloop.storage import named_io_errors

_FORMAT = "greenloop-pack"
_INDEX = "greenloop-pack.json"
_MAX_INDEX = 64 << 20
_CHUNK = 1 << 20
MAX_MIB = 1024
"""Of one piece that is read."""


def export_pack(
    store: SnapshotStore,
    target: Path,
    workspaces: Sequence[str] = (),
    *,
    names: Names = PlainNames(),  # noqa: B008 - it holds nothing
    progress: Progress = silent,
) -> Exported:
    """Write the histories of ``workspaces`` (ids; none means all) to ``target``, which must not be there.

    Raises ``InputError`` when it is, when an id is unknown.
    """
    picked = chosen(store, workspaces)
    counter = Counter(store, picked, progress)
    store.trees.flush()
    histories: list[History] = []
    reports = 0
    with new_file(target) as raw, scratch(store) as folder, zipfile.ZipFile(raw, "w") as archive:
        written: set[str] = set()
        for workspace in picked:
            shown = names.shown(workspace)
            segments = []
            for run in runs(store, workspace.id):
                segments.append(cut(store, run, shown, folder))
                for piece in segments[-1].pieces:
                    _add(archive, folder / piece.name, written)
                reports += len(run.reports)
                for _ in run.snapshots:
                    counter.add()
            histories.append(History(writer="pack", workspace=shown, segments=tuple(segments)))
        index = {"format": _FORMAT, "version": 1, "histories": [json.loads(one.to_json()) for one in histories]}
        archive.writestr(zipfile.ZipInfo(_INDEX), json.dumps(index, sort_keys=True))
    return Exported(len(picked), counter.done, reports, 0)


def _add(archive: zipfile.ZipFile, path: Path, written: set[str]) -> None:
    # a fixed date: the same histories give the same bytes. What is in it is compressed already
    info = zipfile.ZipInfo(f"pieces/{path.name}")
    if path.name not in written:
        with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as into:
            while part := source.read(_CHUNK):
                into.write(part)
    written.add(path.name)
    path.unlink()


def import_pack(store: SnapshotStore, path: Path, *, max_mib: int = MAX_MIB, progress: Progress = silent) -> Imported:
    """Add the histories of a file that ``export_pack`` wrote, segment by segment; to import it twice does nothing.

    Raises ``RecordError`` when the file is foreign, damaged or hostile; ``InputError`` when it contradicts what the
    store holds. What came before the fault is whole and stays.
    """
    if not path.is_file():
        raise RecordError(f"{path}: no such file", "check the path")
    total = Imported()
    try:
        with named_io_errors(path), zipfile.ZipFile(path) as archive, scratch(store) as folder:
            histories = _index(archive, path)
            for number, history in enumerate(histories, 1):
                done = take(store, history, _Fetch(archive), folder, max_mib=max_mib)
                total = Imported(
                    total.workspaces + 1,
                    total.snapshots + sum(segment.snapshots for segment in history.segments),
                    total.reports + sum(segment.reports for segment in history.segments),
                    total.blobs,
                    total.new + done.new,
                    total.new_reports + done.new_reports,
                )
                progress(number, len(histories))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, KeyError) as error:
        raise RecordError(f"{path}: no pack of Greenloop's, or a damaged one: {error}", "get the file again") from error
    return total


def _index(archive: zipfile.ZipFile, path: Path) -> list[History]:
    info = archive.getinfo(_INDEX)
    if info.file_size > _MAX_INDEX:
        raise RecordError(f"{path}: its index is larger than {_MAX_INDEX >> 20} MiB", "get the file again")
    try:
        body = json.loads(archive.read(info))
        if body["format"] != _FORMAT or body["version"] != 1:
            raise RecordError(f"{path}: a pack of version {body['version']!r} cannot be read", "upgrade Greenloop")
        return [History.from_json(json.dumps(one)) for one in body["histories"]]
    except (ValueError, TypeError, KeyError) as error:
        raise RecordError(f"{path}: no pack of Greenloop's: {error}", "get the file again") from error


class _Fetch:
    """Takes pieces out of an archive, and never more bytes than it says a piece has."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def __call__(self, piece: Piece, path: Path) -> None:
        info = self._archive.getinfo(f"pieces/{piece.name}")
        if info.file_size != piece.size:
            raise RecordError(f"{piece.name[:12]}: {info.file_size} bytes, not {piece.size}", "get the file again")
        with self._archive.open(info) as file:
            copied(_parts(file, piece.size), path)


def _parts(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (part := file.read(min(_CHUNK, size))):
        size -= len(part)
        yield part
