"""Toolchain images: root file systems with compilers in them, which a sandbox shows in place of the host's own.

    FOLDER/NAME/root/       the root file system, of the user's own files
    FOLDER/NAME/image.json  what it is: written last; without it there is no image
    FOLDER/.NAME.lock       held shared by whoever uses the image, and alone by whoever replaces or removes it
    FOLDER/.NAME.making     held by whoever makes one of that name
    FOLDER/.NAME.*/         one being made or removed, or left by a kill; the next build removes it

Invariants: an image appears under its name by one rename, complete; it never changes while somebody holds it; its
``id`` follows from what it holds, wherever and whenever it was made. Absent here: where the folder is, and how a
root file system is made (``builds.bootstrap``).
"""

import fcntl
import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from greenloop.builds.bootstrap import Bootstrap, Mmdebstrap, Say
from greenloop.builds.locks import locked_if_free, shared
from greenloop.builds.shelf import discard
from greenloop.records import EnvironmentFault, InputError, Part
from greenloop.storage import named_io_errors

DEFAULT_NAME = "trixie"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LABEL = "image.json"
_STATUS = Path("var/lib/dpkg/status")
_MOUNT_POINTS = ("w", "tmp", "proc", "dev", "cache", "run", "sys", "tmp/home", "dev/shm")
"""Folders on which a sandbox mounts; where the image is read-only they cannot be made any more."""
_SHOWN = ("usr", "etc/alternatives", "etc/ld.so.conf", "etc/ld.so.conf.d", "etc/ocamlfind.conf")
"""What of a root file system can change a verdict; see ``builds.sandbox.bubblewrap`` for what a sandbox shows."""
_SOURCES = ("etc/apt/sources.list", "etc/apt/sources.list.d", "etc/apt/auth.conf", "etc/apt/auth.conf.d")
_HOST_TRACES = (*_SOURCES, "etc/apt/apt.conf.d/99mmdebstrap", "etc/hostname", "etc/resolv.conf", "etc/machine-id")
"""What tells of the machine that made it: mirrors and proxies may hold passwords, and a build could read them."""


_COMPILERS = {"OCaml": "ocaml-nox", "dune": "ocaml-dune", "Python": "python3", "gcc": "gcc"}


class _Label(Part):
    """What ``image.json`` says."""

    id: str
    packages: tuple[str, ...]
    bytes: int
    status_sha256: str
    """Digest of dpkg's list of packages: a root in which somebody installed more is not this image any more."""


class _Hold:
    """A lock on an image, let go when the last one who knows it is gone, or the process ends."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __del__(self) -> None:
        self.close()


@dataclass(frozen=True)
class Image:
    """A toolchain image, held: for as long as this object lives nobody replaces or removes it."""

    name: str
    root: Path
    """The root file system."""
    id: str
    """64 hexadecimal digits over its packages, their versions and every file that a sandbox shows."""
    packages: tuple[str, ...]
    """``NAME=VERSION`` of what is installed, sorted; empty where it is no Debian."""
    bytes: int
    """Disk that it takes."""
    _hold: _Hold = field(repr=False, compare=False)

    def close(self) -> None:
        """Let go of it before the object is gone."""
        self._hold.close()

    def contents(self) -> str:
        """Say in a few words which compilers it holds."""
        versions = {shown: (self.version(package) or "").rpartition(":")[2] for shown, package in _COMPILERS.items()}
        # Debian's own revision of a package says nothing about the compiler
        told = [f"{shown} {found.rpartition('-')[0] or found}" for shown, found in versions.items() if found]
        count = len(self.packages)
        return ", ".join([*told, f"{count} package{'' if count == 1 else 's'}"])

    def version(self, package: str) -> str | None:
        """Return the installed version of a package, or ``None``."""
        return next((one.partition("=")[2] for one in self.packages if one.partition("=")[0] == package), None)


def _quiet(_: str) -> None:
    """Say nothing."""


def build(folder: Path, name: str = DEFAULT_NAME, *, bootstrap: Bootstrap | None = None, say: Say = _quiet) -> Image:
    """Make the image ``name`` below ``folder``, in place of one that is there, and return it held.

    ``bootstrap`` fills the root file system: OCaml's packages from this machine's Debian mirror by default. Raises
    ``InputError`` when it asks for what does not exist or the image is in use, ``EnvironmentFault`` when a tool, the
    network, the disk or a right is missing; then everything is as before.
    """
    _check(name)
    with named_io_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked_if_free(folder / f".{name}.making") as free:
        if not free:
            raise InputError(f"somebody else makes the toolchain image {name!r} just now", "wait for them")
        with locked_if_free(_lock(folder, name)) as unused:
            if not unused:
                raise _in_use(name)
        with named_io_errors(folder):
            _sweep(folder, name)
            fresh = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=folder))
        try:
            with named_io_errors(folder):
                # passable for others: apt's own user, and mmdebstrap in a user namespace
                fresh.chmod(0o755)
                for part in ("root", "scratch"):
                    (fresh / part).mkdir()
                (fresh / "scratch").chmod(0o1777)
            (bootstrap or Mmdebstrap()).fill(fresh / "root", fresh / "scratch", say)
            say("identifying the image")
            with named_io_errors(folder):
                _finish(fresh / "root", name)
                _discard(fresh / "scratch")
                _write_label(fresh)
            _put(fresh, folder, name)
        finally:
            if fresh.exists():
                _discard(fresh)
    return open(folder, name)


def open(folder: Path, name: str = DEFAULT_NAME) -> Image:  # noqa: A001 - images.open reads as what it does
    """Return an image, held against removal.

    Raises ``InputError`` when there is none of that name, ``EnvironmentFault`` when it was changed since it was made.
    """
    _check(name)
    way_out = f"greenloop ces image build --name {name}"
    if not (folder / name / _LABEL).is_file():
        raise InputError(f"there is no toolchain image {name!r} in {folder}", way_out)
    hold = _Hold(shared(_lock(folder, name)))
    root = folder / name / "root"
    try:
        label = _Label.model_validate_json((folder / name / _LABEL).read_bytes())
        same = _digest(root / _STATUS) == label.status_sha256
    except (OSError, ValidationError) as error:
        hold.close()
        raise EnvironmentFault(f"the toolchain image {name!r} is damaged: {error}", way_out) from error
    if not same:
        hold.close()
        raise EnvironmentFault(f"the toolchain image {name!r} was changed after it was made", way_out)
    return Image(name=name, root=root, id=label.id, packages=label.packages, bytes=label.bytes, _hold=hold)


def names(folder: Path) -> tuple[str, ...]:
    """Return the names of the complete images below ``folder``, sorted."""
    return tuple(
        sorted(label.parent.name for label in folder.glob(f"*/{_LABEL}") if _NAME.fullmatch(label.parent.name))
    )


def remove(folder: Path, name: str) -> None:
    """Remove an image and what unfinished builds of that name left.

    Raises ``InputError`` when there is none, or somebody uses it.
    """
    _check(name)
    if not (folder / name).is_dir():
        raise InputError(f"there is no toolchain image {name!r} in {folder}", "greenloop ces image list")
    with locked_if_free(_lock(folder, name)) as free:
        if not free:
            raise _in_use(name)
        with named_io_errors(folder):
            _discard(_aside(folder, name))
            _lock(folder, name).unlink(missing_ok=True)


def identity(root: Path) -> str:
    """Return what tells a root file system from another, for fingerprints: the image's id.

    For one that is no image it is a digest of its packages and their versions; whatever else changes in such a root
    goes unseen.
    """
    label = root.parent / _LABEL
    if root.name == "root" and label.is_file():
        with named_io_errors(label):
            return _Label.model_validate_json(label.read_bytes()).id
    return hashlib.sha256("\n".join(packages_of(root)).encode()).hexdigest()


def content_id(root: Path) -> str:
    """Return 64 hexadecimal digits over the packages of a root file system and every file that a sandbox shows of it.

    Takes some seconds. Modes count as far as they make a file a program; times and owners do not.
    """
    digest = hashlib.sha256()
    for package in packages_of(root):
        digest.update(f"package {package}\n".encode())
    for shown_part in _SHOWN:
        for path in _below(root / shown_part):
            mode = path.lstat().st_mode
            shown = os.fsencode(path.relative_to(root))
            if stat.S_ISLNK(mode):
                digest.update(b"link %s %s\0" % (shown, os.fsencode(path.readlink())))
            elif stat.S_ISREG(mode):
                digest.update(b"file %s %d %s\0" % (shown, bool(mode & 0o100), _digest(path).encode()))
    return digest.hexdigest()


def _below(top: Path) -> Iterator[Path]:
    """Yield every file and link at or below ``top``, in an order that depends on names alone."""
    if top.is_dir():
        for at, folders, files in os.walk(top):
            folders.sort()
            yield from (Path(at, name) for name in sorted([*files, *folders]))
    elif top.exists():
        yield top


def packages_of(root: Path) -> tuple[str, ...]:
    """Return ``NAME=VERSION`` of the packages that dpkg has installed in ``root``, sorted; none without a dpkg."""
    found = []
    if (root / _STATUS).is_file():
        for paragraph in (root / _STATUS).read_text("utf-8").split("\n\n"):
            fields = dict(re.findall(r"^(Package|Status|Version): (.*)$", paragraph, re.MULTILINE))
            if fields.get("Status", "").endswith(" installed"):
                found.append(f"{fields['Package']}={fields['Version']}")
    return tuple(sorted(found))


def _finish(root: Path, name: str) -> None:
    """Check that a root file system came of it, make its mount points, and drop what tells of this machine."""
    if not (root / "usr/bin").is_dir():
        raise InputError(f"no image {name!r} was made: what was given holds no root file system, for it lacks /usr/bin")
    for trace in _HOST_TRACES:
        path = root / trace
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for point in _MOUNT_POINTS:
        (root / point).mkdir(parents=True, exist_ok=True)
    for world in ("tmp", "var/tmp"):
        if (root / world).is_dir():
            (root / world).chmod(0o1777)


def _write_label(fresh: Path) -> None:
    root = fresh / "root"
    size = sum(path.lstat().st_blocks * 512 for path in root.rglob("*"))
    label = _Label(id=content_id(root), packages=packages_of(root), bytes=size, status_sha256=_digest(root / _STATUS))
    (fresh / _LABEL).write_text(label.model_dump_json(indent=1))


def _put(fresh: Path, folder: Path, name: str) -> None:
    """Give a complete image its name, on the disk for good; one that had it makes way first."""
    # the label must not outlive a power failure that its image does not
    subprocess.run(["sync", "--file-system", str(fresh)], check=False, stdin=subprocess.DEVNULL)
    with locked_if_free(_lock(folder, name)) as free:
        if not free:
            raise _in_use(name)
        with named_io_errors(folder):
            old = _aside(folder, name) if (folder / name).is_dir() else None
            fresh.rename(folder / name)
            if old is not None:
                _discard(old)


def _aside(folder: Path, name: str) -> Path:
    """Take an image's name away in one step, and return where it lies now."""
    doomed = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=folder))
    (folder / name).rename(doomed / "old")
    return doomed


def _sweep(folder: Path, name: str) -> None:
    """Remove what killed builds and removals of that name left; the caller holds the lock for making."""
    for leftover in folder.glob(f".{name}.*/"):
        if re.fullmatch(re.escape(f".{name}.") + r"[a-z0-9_]{8}", leftover.name):
            if _busy(leftover / "scratch"):
                raise EnvironmentFault(
                    f"a build of the image {name!r} was killed, and still clears up", "try again in a moment"
                )
            _discard(leftover)


def _busy(folder: Path) -> bool:
    """Say whether somebody holds a lock on a folder that may not be there."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _discard(folder: Path) -> None:
    """Remove a folder, but nothing that is mounted in it: a killed mmdebstrap could have left the machine's /dev."""
    mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    if any(line.split()[4].startswith(f"{folder.absolute()}/") for line in mounts):
        raise EnvironmentFault(f"{folder}: something is mounted below it", "umount it, then try again")
    discard(folder)


def _digest(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lock(folder: Path, name: str) -> Path:
    return folder / f".{name}.lock"


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name of an image", "use small letters, digits, dots, dashes")


def _in_use(name: str) -> InputError:
    return InputError(f"the toolchain image {name!r} is in use", "end what uses it, or make one of another name")
