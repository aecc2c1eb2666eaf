"""Landlock: the kernel's own list of what a command may write, a layer behind the read-only mounts.

It is put on inside the sandbox by the ``setpriv`` that lies there, just before the command, and holds for all that the
command starts; no mount, no namespace lifts it. util-linux has it since 2.40, so Debian 12 does not. See
landlock(7) and setpriv(1).
"""

import ctypes
from pathlib import Path

_SETPRIV = "usr/bin/setpriv"
_READ = "execute,read-file,read-dir"
_WRITABLE = ("/w", "/tmp", "/dev")  # noqa: S108 - inside the sandbox
_CREATE_RULESET = 444
_VERSION = 1
"""A flag: say which version is there, make nothing."""
_ENOUGH = 3
"""The version that knows all rights which setpriv names; Linux 6.2."""


def absent(root: Path | None) -> str:
    """Say why the layer cannot be had with this root file system, or nothing when it can."""
    setpriv = (root or Path("/")) / _SETPRIV
    if not setpriv.is_file() or b"landlock-access" not in setpriv.read_bytes():
        return "setpriv there does not know it, util-linux 2.40 or later does"
    version = ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, _VERSION)
    return "" if version >= _ENOUGH else f"the kernel does not have it, or a version before {_ENOUGH}"


def prefix(root: Path | None) -> tuple[str, ...]:
    """The words before a command that put the layer on; none where it is absent."""
    if absent(root):
        return ()
    rules = [f"path-beneath:{_READ}:/", *(f"path-beneath::{path}" for path in _WRITABLE)]
    words = [word for rule in rules for word in ("--landlock-rule", rule)]
    return (f"/{_SETPRIV}", "--landlock-access", "fs", *words, "--")
