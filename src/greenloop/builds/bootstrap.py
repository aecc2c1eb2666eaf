"""Where a toolchain image's root file system comes from: Debian packages by mmdebstrap, or an archive made elsewhere.

Both unpack one tar stream with the rights of whoever runs Greenloop: every file belongs to that user, and no device
and no set-uid bit is kept, for the sandbox brings its own ``/dev`` and grants nothing.
"""

import fcntl
import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from greenloop.builds.mirrors import MIRROR_WAY_OUT, debian_lines, proxies
from greenloop.records import EnvironmentFault, InputError

Say = Callable[[str], None]
"""Is told, in a few words, what goes on now."""

OCAML = ("ocaml-nox", "ocaml-dune", "ocaml-findlib", "ocamlformat", "ocaml-merlin")
"""The compilers, dune, findlib, the formatter, and merlin."""
LIBRARIES = (
    *("libalcotest-ocaml-dev", "libounit-ocaml-dev", "libppx-expect-ocaml-dev", "libppx-inline-test-ocaml-dev"),
    *("libbase-ocaml-dev", "libre-ocaml-dev", "libyojson-ocaml-dev"),
)
"""The usual libraries of tests and of small projects."""
SUITE = "trixie"

IMPORT_WAY_OUT = "make the root file system elsewhere, and hand it over: greenloop ces image import FILE.tar"

TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TAR_ENVIRONMENT = {"PATH": TOOL_PATH, "LC_ALL": "C"}
_UNREAD = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
"""What no build reads. Copyright files are kept: Debian's packages may not be handed on without them."""
_TAIL = 60
"""Lines of mmdebstrap's output that are kept to explain a failure."""


class Bootstrap(Protocol):
    """Fills an empty folder with a root file system."""

    def fill(self, root: Path, scratch: Path, say: Say) -> None:
        """Fill ``root``, an empty folder, using ``scratch``, another one that is removed afterwards.

        Raises ``InputError`` when what was asked for does not exist, ``EnvironmentFault`` when it is not to be had.
        """


@dataclass(frozen=True)
class Archive:
    """A root file system in a tar file, of any compression that GNU tar knows, such as ``docker export`` writes."""

    path: Path

    def fill(self, root: Path, scratch: Path, say: Say) -> None:  # noqa: ARG002 - the seam's; tar needs none
        """See ``Bootstrap.fill``."""
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file")
        say(f"unpacking {self.path.name}")
        done = subprocess.run(
            [*_unpack(root), "--file", str(self.path.absolute())],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_TAR_ENVIRONMENT,
            check=False,
        )
        said = done.stderr.decode("utf-8", "replace").strip()
        if done.returncode != 0:
            raise _full(said) or InputError(f"{self.path}: cannot be unpacked: {said[:300]}", "give a tar file")


@dataclass(frozen=True)
class Mmdebstrap:
    """A minimal Debian with some packages, by mmdebstrap; as root, or as a plain user with subordinate uids."""

    suite: str = SUITE
    packages: tuple[str, ...] = (*OCAML, *LIBRARIES)
    mirrors: tuple[str, ...] = ()
    """apt's lines ``deb URL SUITE main``; without any, this machine's own sources with ``suite`` in them."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment of mmdebstrap: ``http_proxy`` and its like."""
    path: str = TOOL_PATH
    """Where mmdebstrap and what it calls are looked up, separated by colons."""

    def fill(self, root: Path, scratch: Path, say: Say) -> None:
        """See ``Bootstrap.fill``. Takes one to three minutes, and twice the image's size of disk meanwhile."""
        for name in (self.suite, *self.packages):
            if not re.fullmatch(r"[a-z0-9][a-z0-9.+:~-]*", name):
                raise InputError(f"{name!r} is no name of a Debian package or suite")
        for mirror in self.mirrors:
            if not mirror.startswith("deb "):
                raise InputError(f"{mirror!r} is no line of apt's", MIRROR_WAY_OUT)
        for tool, package in (("mmdebstrap", "mmdebstrap"), ("setpriv", "util-linux"), ("tar", "tar")):
            if shutil.which(tool, path=self.path) is None:
                raise EnvironmentFault(f"{tool} is not installed", f"apt-get install {package}; or {IMPORT_WAY_OUT}")
        environment = {"PATH": self.path, "LC_ALL": "C.UTF-8", **self.environment}
        if os.geteuid() == 0 or _reachable(scratch):
            # beside the image there is room, and there the next build removes what a kill has left
            environment["TMPDIR"] = str(scratch)
        succeeded, said = _pipe(self._argv(), environment, root, scratch, say)
        if not succeeded:
            raise _full("\n".join(said)) or _explain(said, self)

    def _argv(self) -> list[str]:
        mode = "root" if os.geteuid() == 0 else "unshare"
        argv = ["mmdebstrap", "--variant=minbase", f"--mode={mode}", "--format=tar"]
        argv += [f"--include={','.join(self.packages)}"] if self.packages else []
        argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in _UNREAD]
        argv += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
        argv += [f"--aptopt={setting}" for setting in proxies()]
        return [*argv, self.suite, "-", *(self.mirrors or debian_lines(self.suite))]


def _unpack(root: Path) -> list[str]:
    # mmdebstrap writes names as "./dev/null", docker as "dev/null"
    words = ["tar", "--extract", "--directory", str(root), "--no-same-owner", "--no-same-permissions"]
    return [*words, "--exclude=./dev/*", "--exclude=dev/*", "--anchored", "--delay-directory-restore"]


_SUPERVISOR = """
trap 'trap "" TERM; kill -TERM 0' TERM
"$@" &
wait $!; status=$?
trap "" TERM
wait
exit $status
"""
"""Hands a signal on to the whole group and waits: mmdebstrap's first process ignores it, its second clears up."""


def _pipe(
    argv: Sequence[str], environment: Mapping[str, str], root: Path, scratch: Path, say: Say
) -> tuple[bool, list[str]]:
    """Run mmdebstrap into tar. Returns whether both succeeded, and the last lines that they said.

    ``scratch`` is locked until mmdebstrap has cleared up, even when this process is killed before.
    """
    said: deque[str] = deque(maxlen=_TAIL)
    with ExitStack() as opened:
        reading, writing = os.pipe()
        words = opened.enter_context(os.fdopen(reading, "rb"))
        with os.fdopen(writing, "wb"):
            lock = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_SH)
            tar = subprocess.Popen(_unpack(root), stdin=subprocess.PIPE, stderr=writing, env=_TAR_ENVIRONMENT)
            opened.callback(_end, tar)
            assert tar.stdin is not None
            with tar.stdin:
                maker = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "TERM", "/bin/sh", "-c", _SUPERVISOR, "greenloop-bootstrap", *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=tar.stdin,
                    stderr=writing,
                    env=environment,
                    cwd="/",
                    start_new_session=True,
                    pass_fds=(lock,),
                )
            opened.callback(_end, maker)
        for raw in words:
            said.append(raw.decode("utf-8", "replace").strip())
            if said[-1].startswith("I: "):
                say(said[-1].removeprefix("I: ").rstrip("."))
        ended = maker.wait(), tar.wait()
    return ended == (0, 0), list(said)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    process.wait()


def _reachable(folder: Path) -> bool:
    """Whether another user, as whom mmdebstrap works in a user namespace, gets to ``folder``."""
    return all(above.stat().st_mode & 0o001 for above in (folder, *folder.parents))


def _full(said: str) -> EnvironmentFault | None:
    # a short write is how tar learns of it first
    if not re.search(r"No space left on device|enough free space|Disk quota exceeded|Wrote only \d+ of", said):
        return None
    return EnvironmentFault("the disk is full: an image of OCaml needs about 2 GiB while it is made", "free some space")


def _explain(said: Sequence[str], wanted: Mmdebstrap) -> EnvironmentFault | InputError:
    """Say in one sentence what mmdebstrap and apt said in many."""
    text = "\n".join(said)
    if found := re.search(r"Unable to locate package (\S+)|Package '?([^\s']+)'? has no installation candidate", text):
        return InputError(f"the suite {wanted.suite} has no package {found[1] or found[2]}", "correct --package")
    if re.search(r"Could not resolve|Temporary failure resolving|Could not connect|timed out|unreachable|"
                 r"Unable to connect|Connection refused|Connection failed", text):  # fmt: skip
        why = next((line for line in said if re.search(r"Could not|failure|Unable|refused|unreachable", line)), "")
        return EnvironmentFault(
            f"the mirror cannot be reached: {why[:300]}", f"look at the network; or {IMPORT_WAY_OUT}"
        )
    if re.search(r"does not have a Release file|404 +Not Found|File not found", text):
        return InputError(f"the mirror has no suite {wanted.suite}", f"correct --suite, or {MIRROR_WAY_OUT}")
    if re.search(r"NO_PUBKEY|is not signed|no keyring|unable to determine keyring", text):
        return EnvironmentFault(
            "the mirror's signature cannot be checked", "apt-get install gpg debian-archive-keyring, then try again"
        )
    if re.search(r"newuidmap|newgidmap|subuid|subgid|unshare|user namespace", text, re.IGNORECASE):
        return EnvironmentFault(
            "this user may not make a root file system: it takes subordinate uids and user namespaces",
            f"apt-get install uidmap, and usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER; or run "
            f"it as root; or {IMPORT_WAY_OUT}",
        )
    # the lines that quote a whole command explain nothing
    last = [line for line in said if line.startswith("E: ") and " -o " not in line] or said or ["it said nothing"]
    return EnvironmentFault(f"mmdebstrap failed: {' '.join(last)[-600:]}", IMPORT_WAY_OUT)
