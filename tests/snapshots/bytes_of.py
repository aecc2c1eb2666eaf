"""Looking for bytes in a home: in every file, in every git object however it is packed, in every database's pages."""

import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path


def places(home: Path, needle: bytes) -> list[str]:
    """Return where in a home ``needle`` stands: names of files, and ids of objects."""
    found = [str(path.relative_to(home)) for path in _files(home) if needle in path.read_bytes()]
    found += [str(path.relative_to(home)) for path in home.rglob("*") if needle in str(path.name).encode()]
    for path in _files(home):
        if (
            path.parent.parent.name == "objects"
            and len(path.name) == 38
            and needle in zlib.decompress(path.read_bytes())
        ):
            found.append(f"loose {path.parent.name}{path.name}")
    found += [f"packed {oid}" for oid, content in _packed(home) if needle in content]
    return found


def _files(home: Path) -> Iterator[Path]:
    yield from (path for path in sorted(home.rglob("*")) if path.is_file() and not path.is_symlink())


def _packed(home: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every object of every pack, unreachable ones too, inflated and with its deltas applied."""
    for pack in sorted(home.rglob("*.pack")):
        shown = subprocess.run(["git", "verify-pack", "-v", str(pack)], check=True, capture_output=True, text=True)
        for line in shown.stdout.splitlines():
            oid, _, rest = line.partition(" ")
            kind = rest.split(" ")[0]
            if len(oid) == 40 and kind in {"blob", "tree", "commit", "tag"}:
                folder = pack.parents[2]
                command = ["git", f"--git-dir={folder}", "cat-file", kind, oid]
                yield oid, subprocess.run(command, check=True, capture_output=True).stdout
