"""Putting an export in its place: a part as a file, or all parts as a folder; whole, or not at all."""

import os
import shutil
import tempfile
from pathlib import Path

from greenloop.datasets.exports.seam import Asked, Format
from greenloop.datasets.load import Dataset
from greenloop.datasets.split import Split
from greenloop.records import InputError
from greenloop.storage import named_io_errors


def export(
    dataset: Dataset, kind: Format, target: Path, *, part: Split | None = None, max_changed_lines: int = 10
) -> dict[Split, Path]:
    """Write ``part`` to the file ``target``, or every part that holds something to a folder of that name.

    Returns part → its file. Raises ``InputError`` when something is at ``target`` already, or nothing is to be written.
    """
    if target.is_symlink() or (target.exists() and (part is not None or not _empty(target))):
        raise InputError(f"{target}: exists already, and an export replaces nothing", "choose another name")
    chosen = tuple(Split) if part is None else (part,)
    contents = {one: kind.write(Asked(dataset, one, max_changed_lines)) for one in chosen}
    contents = {one: content for one, content in contents.items() if content}
    if not contents:
        where = "the dataset" if part is None else f"the part {part}"
        raise InputError(f"{dataset.folder}: {where} holds nothing to write as {kind.name}", "choose another part")
    names = {one: f"{one}.{kind.ending}" for one in contents}
    with named_io_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        with named_io_errors(target):
            fresh = scratch / "new"
            fresh.mkdir()
            for one, content in contents.items():
                _write(fresh / names[one], content)
            if part is None:
                fresh.rename(target)
            else:
                # a link fails where a file came in between, a rename would replace it
                os.link(fresh / names[part], target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return {one: target / names[one] if part is None else target for one in contents}


def _empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
