"""The system-call filter: a classic BPF program, made without a compiler, for ``bwrap --seccomp``.

Everything is allowed but what follows, so that compilers and tests run as they do outside. Denied calls answer
EPERM; ``clone3``, whose flags no filter can read, answers ENOSYS, upon which libc takes ``clone``; a foreign
architecture kills the process. Sources: seccomp(2), linux/audit.h, the kernel's syscall tables; the choice follows
Docker's default profile. Syscall numbers never change once given.
"""

import errno
import platform
import struct
from dataclasses import dataclass

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_*

_DENIED_BY_OLD_NUMBER = {  # name: (x86_64, aarch64); None where the architecture lacks it
    "ptrace": (101, 117),
    "syslog": (103, 116),
    "pivot_root": (155, 41),
    "adjtimex": (159, 171),
    "chroot": (161, 51),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "mount": (165, 40),
    "umount2": (166, 39),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "quotactl": (179, 60),
    "lookup_dcookie": (212, 18),
    "clock_settime": (227, 112),
    "kexec_load": (246, 104),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "move_pages": (279, 239),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "open_by_handle_at": (304, 265),
    "clock_adjtime": (305, 266),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "finit_module": (313, 273),
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
}
_DENIED = {  # since kernel 5.1 a call has the same number everywhere
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "mount_setattr": 442,
    "quotactl_fd": 443,
}
_CLONE = {"x86_64": 56, "aarch64": 220}
_UNSHARE = {"x86_64": 272, "aarch64": 97}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_IOCTL = {"x86_64": 16, "aarch64": 29}
_CLONE3 = 435

_NEW_NAMESPACES = 0x7E020080
"""CLONE_NEWUSER, NEWPID, NEWNET, NEWIPC, NEWUTS, NEWCGROUP, NEWNS and NEWTIME."""
_SOCKET_FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, INET, INET6 and NETLINK are bound to the (empty) network namespace; AF_VSOCK, for one, is not."""
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_X32_BIT = 0x40000000

_LOAD, _AND = 0x20, 0x54
_JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data


@dataclass(frozen=True)
class _Check:
    """Instructions entered with the call's number loaded; falls through when they say nothing."""

    number: int
    body: tuple[tuple[int, int, int, int], ...]


def program(machine: str | None = None) -> bytes | None:
    """Return the filter for a machine (``platform.machine()`` by default), or ``None`` for an unknown one."""
    machine = machine or platform.machine()
    if machine not in _ARCHITECTURES:
        return None
    column = tuple(_ARCHITECTURES).index(machine)
    code: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _AT_NUMBER),
    ]
    if machine == "x86_64":
        code += [(_JUMP_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    numbers = [row[column] for row in _DENIED_BY_OLD_NUMBER.values()] + list(_DENIED.values())
    for number in sorted(number for number in numbers if number is not None):
        code += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    code += [(_JUMP_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    for check in _argument_checks(machine):
        code += [(_JUMP_EQUAL, 0, len(check.body), check.number), *check.body]
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _argument_checks(machine: str) -> tuple[_Check, ...]:
    """Calls that are denied for some arguments only. Each body ends in a return, the number being overwritten."""
    allow, refuse = (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    first, second = (_LOAD, 0, 0, _AT_ARGUMENTS), (_LOAD, 0, 0, _AT_ARGUMENTS + 8)
    no_namespaces = (first, (_JUMP_ANY_BIT, 0, 1, _NEW_NAMESPACES), refuse, allow)
    families = tuple((_JUMP_EQUAL, len(_SOCKET_FAMILIES) - n, 0, f) for n, f in enumerate(_SOCKET_FAMILIES))
    injections = tuple((_JUMP_EQUAL, len(_TERMINAL_INJECTION) - n, 0, r) for n, r in enumerate(_TERMINAL_INJECTION))
    return (
        _Check(_CLONE[machine], no_namespaces),
        _Check(_UNSHARE[machine], no_namespaces),
        _Check(_SOCKET[machine], (first, *families, (_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT), allow)),
        _Check(_IOCTL[machine], (second, *injections, allow, refuse)),
    )
