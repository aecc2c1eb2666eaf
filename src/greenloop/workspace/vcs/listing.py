"""Which files a checkout holds: what git, Mercurial and the plain walk each answer."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from greenloop.records import EnvironmentFault, InputError

VCS_FOLDERS = frozenset({".git", ".hg", ".svn", ".jj", ".bzr", "_darcs", ".pijul", "CVS"})
"""Folders in which version control systems keep themselves."""

GENERATED_FOLDERS = ("_build", "node_modules", "__pycache__", ".venv", ".greenloop")
"""Folders of build tools and of Greenloop, left out unless a file in them is tracked (``hgignore`` lists them too)."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or a whole folder, that is on disk and not in the tree, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The paths to read, relative to the folder asked for; deleted files may be among them.

    A path that ends in a slash is a nested repository.
    """

    paths: tuple[bytes, ...]
    skipped: tuple[Skipped, ...] = ()


def shown(path: bytes) -> str:
    """Return a path as text for people, whatever its bytes are."""
    return path.decode("utf-8", "backslashreplace")


def ask(
    program: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    package: str,
    answers: Container[int] = (0,),
) -> bytes:
    """Run ``program`` in ``folder`` and return what it printed.

    The variables whose names start with ``GIT_`` or ``HG`` are not handed on: started from a hook, Greenloop would
    else read another repository than the one it was asked for. ``answers`` are the exit statuses that are no refusal.

    Raises ``EnvironmentFault`` when the program is missing, ``InputError`` when it refuses the repository.
    """
    with _there(folder):
        done = subprocess.run(
            [_found(program, folder, package), *arguments], cwd=folder, env=_environment(environment),
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip
    if done.returncode not in answers:
        raise _refused(program, folder, done.stderr, done.returncode)
    return done.stdout


@contextmanager
def listen(
    program: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    package: str,
    given: bytes = b"",
) -> Iterator[IO[bytes]]:
    """The same for an answer too long for memory: what it prints is read while it runs. ``given`` is its input.

    Whoever leaves early ends the program. Raises as ``ask`` does, at the end.
    """
    with tempfile.TemporaryFile() as questions, tempfile.TemporaryFile() as complaints:
        questions.write(given)
        questions.seek(0)
        process = subprocess.Popen(
            [_found(program, folder, package), *arguments], cwd=folder, env=_environment(environment),
            stdin=questions, stdout=subprocess.PIPE, stderr=complaints,
        )  # fmt: skip
        with process:
            assert process.stdout is not None
            try:
                yield process.stdout
            except BaseException:
                process.kill()
                raise
            while process.stdout.read(1 << 16):
                pass
        if process.returncode != 0:
            complaints.seek(0)
            raise _refused(program, folder, complaints.read(4096), process.returncode)


class Started:
    """A program that runs while others do; what it prints goes to a file, so that a long answer costs no memory."""

    def __init__(
        self,
        program: str,
        arguments: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        package: str,
        answers: Collection[int] = (0,),
        given: IO[bytes] | None = None,
    ) -> None:
        self._program = program
        self._folder = folder
        self._answers = answers
        with ExitStack() as files, _there(folder):
            self._out = files.enter_context(tempfile.TemporaryFile())
            self._complaints = files.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(
                [_found(program, folder, package), *arguments], cwd=folder, env=_environment(environment),
                stdin=subprocess.DEVNULL if given is None else given, stdout=self._out, stderr=self._complaints,
            )  # fmt: skip
            self._files = files.pop_all()

    def finish(self) -> bytes:
        """Wait for the end, and return what was said on the second channel.

        Raises ``InputError`` when the program refuses.
        """
        self._process.wait()
        self._complaints.seek(0)
        said = self._complaints.read(_MOST_SAID)
        if self._process.returncode not in self._answers:
            raise _refused(self._program, self._folder, said, self._process.returncode)
        return said

    def count(self) -> int:
        """Return the number of records, once it has ended."""
        self.finish()
        self._out.seek(0)
        return sum(block.count(b"\0") for block in iter(lambda: self._out.read(1 << 16), b""))

    def records(self) -> Iterator[bytes]:
        """Yield what was printed, once it has ended, NUL by NUL; then let go of it."""
        with self:
            self.finish()
            self._out.seek(0)
            rest = b""
            while block := self._out.read(1 << 16):
                *whole, rest = (rest + block).split(b"\0")
                yield from whole
            if rest:
                yield rest

    def __enter__(self) -> "Started":
        """Begin: it runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._files.close()


_MOST_SAID = 1 << 20


@contextmanager
def _there(folder: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{folder}: the folder is gone", "was it moved or deleted just now?") from error


def _found(program: str, folder: Path, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise EnvironmentFault(f"{program} is not installed, so {folder} cannot be read", f"apt-get install {package}")
    return found


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "HG"))}
    return {**inherited, **more, "LC_ALL": "C.UTF-8"}


def _refused(program: str, folder: Path, complaints: bytes, status: int) -> InputError:
    said = complaints.decode("utf-8", "replace").strip() or f"exit status {status}"
    return InputError(f"{folder}: {program} cannot read this repository: {said}", "repair it, then run again")
