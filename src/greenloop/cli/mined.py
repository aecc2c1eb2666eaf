"""What every source of examples writes: the examples, a line each, and beside them what was left out and the counts."""

import errno
import json
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from greenloop.mining.funnel import Funnel
from greenloop.mining.picture import funnel_svg
from greenloop.records import Example, InputError, Record
from greenloop.storage import named_io_errors, replacing_together

_NAME_A_FILE = "name a file that the examples go to by --out"


def funnel_file(examples: Path) -> Path:
    """Return where the counts of a mining run lie: beside its examples."""
    return _beside(examples, ".funnel.json")


def dropped_file(examples: Path) -> Path:
    """Return where that lies which became no example, one JSON object a line."""
    return _beside(examples, ".dropped.jsonl")


def picture_file(examples: Path) -> Path:
    """Return where the picture of those counts lies."""
    return _beside(examples, ".funnel.svg")


def _beside(examples: Path, ending: str) -> Path:
    # of another ending nothing is taken off: the counts of `v.1` are not those of `v.2`
    return examples.with_name(examples.name.removesuffix(".jsonl") + ending)


def check_place(target: Path) -> None:
    """Look before hours of mining whether examples, and what lies beside them, can be written to ``target``.

    Raises ``InputError`` when a folder, a link, a pipe or a device is in the place of one of the files, and
    ``EnvironmentFault`` when the folder cannot be written to.
    """
    if not target.name or target.name == "..":
        raise InputError(f"{target} is a folder", _NAME_A_FILE)
    for path in (target, funnel_file(target), dropped_file(target), picture_file(target)):
        mode = _mode(path)
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a link" if stat.S_ISLNK(mode) else "no plain file"
            raise InputError(f"{path} is {kind}", _NAME_A_FILE)
    standing = next(folder for folder in target.absolute().parents if os.path.lexists(folder))
    with named_io_errors(target):
        if not standing.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{standing} is no folder")
        if not os.access(standing, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{standing} cannot be written to")


def _mode(path: Path) -> int:
    """Return the mode of what is at ``path``, a plain file's where nothing is."""
    with named_io_errors(path):
        with suppress(FileNotFoundError, NotADirectoryError):
            return path.lstat().st_mode
        with suppress(FileNotFoundError, NotADirectoryError):
            # while it is written it has a longer name
            path.with_name(f".{path.name}.12345678").lstat()
        return stat.S_IFREG


@dataclass(frozen=True)
class Written:
    """How many examples went into a file, by what they are."""

    count: int = 0
    categories: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Self:
        """Count ``examples``."""
        return cls(
            len(examples),
            Counter(one.category.value for one in examples),
            Counter(one.origin.value for one in examples),
        )


def write_mined(
    target: Path,
    examples: Iterable[Example],
    counts: Mapping[str, object],
    *,
    dropped: Iterable[Record],
    funnel: Funnel,
) -> None:
    """Write ``examples`` to ``target``; beside them ``counts``, what was ``dropped``, and the picture of ``funnel``.

    All of them appear, or all stay as they were; after a kill in the moment between, the counts are missing, without
    which nothing reads the examples.
    """
    with replacing_together((target, dropped_file(target), picture_file(target), funnel_file(target))) as files:
        for file, lines in zip(files, (examples, dropped), strict=False):
            file.writelines(f"{one.to_json()}\n".encode() for one in lines)
        files[2].write(funnel_svg(funnel))
        files[3].write((json.dumps(counts, sort_keys=True, indent=1) + "\n").encode())


def group(toolchain: str, fingerprint: str, categories: Counter[str], funnel: Funnel) -> dict[str, object]:
    """Return what is told of the examples of one toolchain: ``greenloop dataset`` reads the funnel."""
    return {
        "toolchain": toolchain,
        "fingerprint": fingerprint,
        "categories": dict(sorted(categories.items())),
        "funnel": json.loads(funnel.to_json()),
    }


def rows(funnel: Funnel) -> Iterator[tuple[str, str, str]]:
    """Yield the rules that dropped something, and what was left of each kind of thing, for a table."""
    for number, step in enumerate(funnel.steps):
        if step.dropped:
            yield f"  {step.name}", str(step.dropped), str(step.kept)
        if number + 1 == len(funnel.steps) or funnel.steps[number + 1].unit != step.unit:
            yield step.unit, "", str(step.kept)
