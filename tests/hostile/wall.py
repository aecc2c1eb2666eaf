"""What every attempt is written with. It is laid beside the attempt, inside the sandbox; see ``attempts``.

An attempt ends with exit status 0 where all that it tried was refused, and with 9 where something was not.
"""

import ctypes
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOST: dict[str, Any] = json.loads(Path("host.json").read_text("utf-8")) if Path("host.json").exists() else {}
"""What an attacker may know of the machine: ports, sockets, paths, process ids."""

_COLUMN = {"x86_64": 0, "aarch64": 1}.get(platform.machine(), 0)
CALLS = {
    "ptrace": (101, 117), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "unshare": (272, 97), "setns": (308, 268), "clone": (56, 220), "clone3": (435, 435), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsmount": (432, 432), "mount_setattr": (442, 442), "init_module": (175, 105),
    "finit_module": (313, 273), "kexec_load": (246, 104), "swapon": (167, 224), "acct": (163, 89),
    "syslog": (103, 116), "reboot": (169, 142), "sethostname": (170, 161), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "adjtimex": (159, 171), "process_vm_readv": (310, 270), "kcmp": (312, 272),
    "open_by_handle_at": (304, 265), "fanotify_init": (300, 262), "quotactl": (179, 60), "iopl": (172, 10**6),
    "ioperm": (173, 10**6), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
}  # fmt: skip


def breach(what: str) -> None:
    """Say what was not refused, and end."""
    sys.stdout.write(f"BREACH {what}\n")
    sys.stdout.flush()
    sys.exit(9)


def refused(what: str, work: Callable[..., object], *arguments: object) -> None:
    """Do it; that must fail as the kernel fails things."""
    try:
        got = work(*arguments)
    except (OSError, EOFError):
        return
    breach(f"{what}: {got!r}")


def call(name: str, *arguments: object) -> tuple[int, int]:
    """Make a system call; return (result, errno)."""
    libc = ctypes.CDLL(None, use_errno=True)
    ctypes.set_errno(0)
    result = int(libc.syscall(CALLS[name][_COLUMN], *arguments))
    return result, ctypes.get_errno()


def denied(name: str, *arguments: object) -> None:
    """Make a system call, which must fail."""
    result, _ = call(name, *arguments)
    if result >= 0:
        breach(f"{name}: {result}")
