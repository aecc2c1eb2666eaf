"""What a Mercurial checkout holds, asked of hg in a way that writes nothing.

``hg status`` is out: it probes the file system by making files in ``.hg/wcache`` and writes the dirstate back when
it finds entries whose time stamps prove nothing. ``hg debugwalk`` walks the same files by the same ignore rules,
compares none, takes no lock and writes nothing (seen with Mercurial 6.3 under strace; the tests hold it to that).
The parents are read straight from the head of ``.hg/dirstate`` (``hg help internals.dirstate-v2`` for the later of
its two formats). Extensions that keep files of their own are switched off.

The repository's own ``.hg/hgrc`` is not read, since its hooks and extensions are programs to run; the user's is. So
a ``ui.ignore`` has to stand in the user's, or the rules in ``.hgignore``.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from greenloop.records import InputError
from greenloop.storage import named_io_errors
from greenloop.workspace.vcs.listing import GENERATED_FOLDERS, VCS_FOLDERS, Listing, Skipped, ask, shown

_IGNORE = Path(__file__).with_name("mercurial.hgignore")
OPTIONS = (
    "--noninteractive",
    "--config", "extensions.fsmonitor=!",
    "--config", "extensions.hgext.fsmonitor=!",
    "--config", "extensions.blackbox=!",
    "--config", "extensions.hgext.blackbox=!",
    "--config", "storage.dirstate-v2.slow-path=allow",
    "--config", f"ui.ignore.greenloop={_IGNORE}",
)  # fmt: skip
ENVIRONMENT = {"HGPLAIN": "1", "HGRCSKIPREPO": "1"}
"""HGPLAIN: no colours, no translations, no aliases, whatever the user's configuration says."""
_NOT_WALKED = frozenset(os.fsencode(name) for name in VCS_FOLDERS.union(GENERATED_FOLDERS))
_V2_MARKER = b"dirstate-v2\n"
_V2_WIDTH = 32
"""Bytes for each parent there: the id, and room for longer ones."""


def _hg(repository: Path, *arguments: str) -> bytes:
    return ask("hg", (*OPTIONS, *arguments), folder=repository, environment=ENVIRONMENT, package="mercurial")


def list_files(repository: Path, folder: Path) -> Listing:
    """List the tracked files below ``folder`` and the untracked ones that are not ignored."""
    inside = os.fsencode(folder.relative_to(repository))
    prefix = b"" if inside == b"." else inside + b"/"
    only = () if not prefix else ("--include", f"path:{os.fsdecode(inside)}")
    # names that cannot be told apart in lines of columns; _unlisted reports them
    out = _hg(repository, "debugwalk", *only, "--exclude", r"re:(?s).*[\r\n]", "--exclude", r"re:.*\s$")
    paths = tuple(path.removeprefix(prefix) for path in _parse(repository, out.splitlines()))
    found, skipped = _unlisted(folder, paths)
    return Listing((*paths, *found), skipped)


def _parse(repository: Path, lines: list[bytes]) -> Iterator[bytes]:
    """Yield the paths of ``f  PATH  PATH``, the first column padded to the longest path's length.

    hg prints a path relative to where it runs in the second column; at the root both are the same.
    """
    if not lines:
        return
    width = (max(map(len, lines)) - 5) // 2
    for line in lines:
        path = line[width + 5 :]
        if line != b"f  " + path.ljust(width) + b"  " + path:
            raise InputError(
                f"{repository}: hg debugwalk printed a line that cannot be read: {shown(line)}",
                "report this with the output of `hg --version`",
            )
        yield path


def _unlisted(folder: Path, paths: tuple[bytes, ...]) -> tuple[list[bytes], tuple[Skipped, ...]]:
    """Find what hg passes over in silence beside the files it lists: nested repositories and unreadable names."""
    folders = {b""}
    for path in paths:
        parent = path.rpartition(b"/")[0]
        while parent not in folders:
            folders.add(parent)
            parent = parent.rpartition(b"/")[0]
    nested: list[bytes] = []
    skipped: list[Skipped] = []
    for parent in sorted(folders):
        try:
            entries = list(os.scandir(os.fsencode(folder) + b"/" + parent))
        except OSError:
            continue  # deleted meanwhile, or a link now: its files are looked for one by one
        for entry in entries:
            path = parent + b"/" + entry.name if parent else entry.name
            if entry.name != entry.name.rstrip() or b"\n" in entry.name or b"\r" in entry.name:
                skipped.append(Skipped(shown(path), "its name holds a line break or ends in a blank"))
            elif path not in folders and entry.name not in _NOT_WALKED and os.path.lexists(entry.path + b"/.hg"):
                nested.append(path + b"/")
    return nested, tuple(skipped)


def head(repository: Path) -> str:
    """Return the id of the first parent of the working copy, or ``""`` where there is no commit yet."""
    with named_io_errors(repository / ".hg/dirstate"):
        return next(iter(parents(repository)), "")


def parents(repository: Path) -> tuple[str, ...]:
    """Return the ids of the changesets that the working copy stands on: two while it is a merge, none at first.

    Raises ``OSError``.
    """
    dirstate = repository / ".hg" / "dirstate"
    try:
        with dirstate.open("rb") as file:
            start = file.read(len(_V2_MARKER) + _V2_WIDTH + 20)
    except FileNotFoundError:
        return ()
    if start.startswith(_V2_MARKER):
        start = start[len(_V2_MARKER) :]
        found = (start[:20], start[_V2_WIDTH : _V2_WIDTH + 20])
    else:
        found = (start[:20], start[20:40])
    return tuple(parent.hex() for parent in found if any(parent))


def store_of(repository: Path) -> Path:
    """Return where the history is: a shared working copy has it in another repository."""
    shared = repository / ".hg/sharedpath"
    try:
        return repository / ".hg" / os.fsdecode(shared.read_bytes().rstrip(b"\r\n")) / "store"
    except OSError:
        return repository / ".hg/store"


def last_transaction(repository: Path) -> tuple[int, str]:
    """Return how many changesets there were when the history was written last, and what did it: ``commit``, ``pull``…

    Nothing, ``(0, "")``, where hg keeps none of it.
    """
    for place in (repository / ".hg", store_of(repository)):
        try:
            count, name = (place / "undo.desc").read_text("utf-8", "replace").splitlines()[:2]
            return int(count), name
        except (OSError, ValueError):
            continue
    return 0, ""


def ignores(repository: Path, folder: Path) -> bool:
    """Return whether the repository ignores all of ``folder``, as it does its build output."""
    probe = (folder / "greenloop-probe").relative_to(repository)
    said = _hg(repository, "debugignore", f"path:{probe}").decode("utf-8", "replace")
    # "P is ignored" or "P is ignored because of containing directory D", against "P is not ignored"
    return f"{probe} is ignored" in said and not list_files(repository, folder).paths
