"""The layers of a throw-away tree: what is deleted, what is laid over it. Nothing here passes through a link."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

Parts = tuple[str, ...]


def below(path: str) -> Parts:
    """Split a path of a tree; ``ValueError`` when it is none."""
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\0" in path:
        raise ValueError(f"not a path below the tree: {path!r}")
    return parts


def is_there(tree: Path, parts: Parts) -> bool:
    """Whether the path exists in ``tree``, through folders alone."""
    at = tree
    for part in parts[:-1]:
        at /= part
        if at.is_symlink() or not at.is_dir():
            return False
    return os.path.lexists(at / parts[-1])


def replaced(delta: Path, parts: Parts) -> bool:
    """Whether ``delta`` holds the path itself, or a file where one of its folders was."""
    at = delta
    for part in parts:
        at /= part
        if at.is_symlink() or at.is_file():
            return True
    return at.is_dir()


def freshen(delta: Path) -> None:
    """Set the mtime of every file to now, so that no build system takes it for the one below."""
    for folder, _, names in os.walk(delta):
        for name in names:
            os.utime(Path(folder, name), follow_symlinks=False)


def hidden(lower: Path, delta: Path | None, deletions: Sequence[str]) -> set[Parts]:
    """The paths to hide, none below another. What ``delta`` brings itself needs no hiding: it lies above.

    A character device 0:0 in a layer hides what lies below its name; any user may make one since Linux 5.8. See the
    kernel's filesystems/overlayfs, "whiteouts and opaque directories".
    """
    wanted = {below(deletion) for deletion in deletions}
    outermost = {parts for parts in wanted if not any(parts[:n] in wanted for n in range(1, len(parts)))}
    return {found for parts in outermost if is_there(lower, parts) for found in _uncovered(lower, delta, parts)}


def _uncovered(lower: Path, delta: Path | None, parts: Parts) -> Iterator[Parts]:
    """Yield the path, or where ``delta`` has a folder of that name, what lies in the lower one only."""
    if delta is None or not replaced(delta, parts):
        yield parts
        return
    if all(_is_folder(side.joinpath(*parts)) for side in (lower, delta)) and is_there(delta, parts):
        for inner in lower.joinpath(*parts).iterdir():
            yield from _uncovered(lower, delta, (*parts, inner.name))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
