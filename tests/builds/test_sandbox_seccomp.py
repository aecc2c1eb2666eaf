"""The system-call filter: its program read as the kernel reads it, and calls really made."""

import errno
import platform
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenloop.builds.sandbox import Bubblewrap, Command
from greenloop.builds.sandbox.seccomp import program

X86, ARM = 0xC000003E, 0xC00000B7
ALLOWED, KILLED = "allowed", "killed"


def judge(code: bytes, number: int, arguments: tuple[int, ...] = (), architecture: int = X86) -> str:
    """Run the program as linux/filter.h defines it: what would the kernel answer to this call?"""
    data = struct.pack("<IIQ6Q", number, architecture, 0, *(*arguments, *(0,) * 6)[:6])
    at, word = 0, 0
    while True:
        operation, if_true, if_false, value = struct.unpack_from("=HBBI", code, at * 8)
        at += 1
        if operation == 0x20:
            (word,) = struct.unpack_from("<I", data, value)
        elif operation == 0x06:
            name = errno.errorcode.get(value & 0xFFFF, "")
            return {0x7FFF0000: ALLOWED, 0x80000000: KILLED}.get(value, name if value >> 16 == 5 else hex(value))
        else:
            holds = {0x15: word == value, 0x35: word >= value, 0x45: word & value != 0}[operation]
            at += if_true if holds else if_false


@pytest.mark.parametrize(
    ("number", "arguments", "answer"),
    [
        (0, (), ALLOWED),  # read
        (59, (), ALLOWED),  # execve
        (101, (0,), "EPERM"),  # ptrace
        (165, (), "EPERM"),  # mount
        (250, (), "EPERM"),  # keyctl
        (321, (), "EPERM"),  # bpf
        (323, (), "EPERM"),  # userfaultfd
        (425, (), "EPERM"),  # io_uring_setup
        (442, (), "EPERM"),  # mount_setattr
        (435, (), "ENOSYS"),  # clone3
        (56, (0x01200011,), ALLOWED),  # clone as fork does
        (56, (0x003D0F00,), ALLOWED),  # clone as pthread_create does
        (56, (0x10000011,), "EPERM"),  # clone(CLONE_NEWUSER)
        (272, (0x400,), ALLOWED),  # unshare(CLONE_FILES)
        (272, (0x00020000,), "EPERM"),  # unshare(CLONE_NEWNS)
        (41, (1,), ALLOWED),  # socket(AF_UNIX)
        (41, (2,), ALLOWED),
        (41, (10,), ALLOWED),
        (41, (16,), ALLOWED),
        (41, (40,), "EAFNOSUPPORT"),  # socket(AF_VSOCK)
        (41, (38,), "EAFNOSUPPORT"),  # socket(AF_ALG)
        (16, (0, 0x5401), ALLOWED),  # ioctl(TCGETS)
        (16, (0, 0x5412), "EPERM"),  # ioctl(TIOCSTI)
        (16, (0, 0x541C), "EPERM"),
        (0x40000000 + 59, (), "ENOSYS"),  # the x32 interface
    ],
)
def test_x86_64(number: int, arguments: tuple[int, ...], answer: str) -> None:
    code = program("x86_64")
    assert code is not None
    assert judge(code, number, arguments) == answer


@pytest.mark.parametrize(
    ("number", "arguments", "answer"),
    [
        (221, (), ALLOWED),  # execve
        (117, (), "EPERM"),  # ptrace
        (40, (), "EPERM"),  # mount
        (220, (17,), ALLOWED),  # clone
        (220, (0x10000000,), "EPERM"),
        (97, (0x10000000,), "EPERM"),  # unshare
        (198, (40,), "EAFNOSUPPORT"),  # socket
        (29, (0, 0x5412), "EPERM"),  # ioctl
        (435, (), "ENOSYS"),  # clone3
    ],
)
def test_aarch64(number: int, arguments: tuple[int, ...], answer: str) -> None:
    code = program("aarch64")
    assert code is not None
    assert judge(code, number, arguments, ARM) == answer


@given(number=st.integers(0, 2**32 - 1), architecture=st.integers(0, 2**32 - 1).filter(lambda a: a != X86))
def test_a_foreign_architecture_is_killed(number: int, architecture: int) -> None:
    code = program("x86_64")
    assert code is not None
    assert judge(code, number, (), architecture) == KILLED


@given(number=st.integers(0, 2**32 - 1), arguments=st.lists(st.integers(0, 2**64 - 1), max_size=6).map(tuple))
def test_every_call_gets_an_answer(number: int, arguments: tuple[int, ...]) -> None:
    code = program("x86_64")
    assert code is not None
    assert judge(code, number, arguments) in {ALLOWED, "EPERM", "ENOSYS", "EAFNOSUPPORT"}


def test_an_unknown_processor_has_no_filter() -> None:
    assert program("pdp11") is None


CALLS = {  # name: (x86_64, aarch64, arguments, error); a plain process may make each of them where no filter is
    "ptrace(PTRACE_TRACEME)": (101, 117, "0, 0, 0, 0", errno.EPERM),
    "keyctl(KEYCTL_GET_KEYRING_ID)": (250, 219, "0, -3, 0", errno.EPERM),
    "unshare(CLONE_NEWUSER)": (272, 97, "0x10000000", errno.EPERM),
    "unshare(CLONE_FILES)": (272, 97, "0x400", 0),
    "clone3": (435, 435, "0, 0", errno.ENOSYS),
    "socket(AF_VSOCK)": (41, 198, "40, 1, 0", errno.EAFNOSUPPORT),
    "socket(AF_ALG)": (41, 198, "38, 5, 0", errno.EAFNOSUPPORT),
    "socket(AF_UNIX)": (41, 198, "1, 1, 0", 0),
    "personality": (135, 92, "0xffffffff", 0),
}


@pytest.mark.parametrize("name", CALLS)
def test_really_called(name: str, tmp_path: Path) -> None:
    *numbers, arguments, error = CALLS[name]
    number = numbers[("x86_64", "aarch64").index(platform.machine())]
    script = f"my $r = syscall({number}, {arguments}); print $r == -1 ? $!+0 : 0"
    (tmp_path / "lower").mkdir()
    (done,) = Bubblewrap().run_over(
        tmp_path / "lower", delta=None, deletions=(), commands=(Command(("perl", "-e", script)),)
    )
    assert done.stdout == str(error).encode()
