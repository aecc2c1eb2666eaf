"""Attempts: programs that try what must not be possible, and that end with 0 where all of it was refused.

Each is a Python script. It runs twice: as a test of a project judged by the toolchain ``command``, and from a dune
rule that runs while the types are checked. ``wall`` is what it may import from beside it.
"""

from tests.hostile.exhaustion import RESOURCES

PREAMBLE = "import ctypes, os, sys\nfrom wall import HOST, breach, call, denied, refused\n"
ENDING = "print('ok - contained', flush=True)\n"

NETWORK = {
    "host over IPv4": """
import socket
for port in (HOST["tcp4"], HOST["tcp6"]):
    refused("IPv4", socket.create_connection, ("127.0.0.1", port), 1)
refused("own address", socket.create_connection, (socket.gethostname(), HOST["tcp4"]), 1)
""",
    "host over IPv6": """
import socket
refused("IPv6", socket.create_connection, ("::1", HOST["tcp6"]), 1)
""",
    "host over UDP": """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.sendto(b"stolen", ("127.0.0.1", HOST["udp"]))
    one.settimeout(0.3)
    refused("an answer", one.recvfrom, 100)
    refused("far away", one.sendto, b"stolen", ("192.0.2.1", 53))
""",
    "the internet": """
import socket
for address in ("192.0.2.1", "10.0.0.1", "169.254.169.254"):
    refused(address, socket.create_connection, (address, 80), 1)
""",
    "names": """
import socket
for name in ("example.org", "metadata.google.internal"):
    refused(name, socket.getaddrinfo, name, 80)
""",
    "abstract socket of the host": """
import socket
with socket.socket(socket.AF_UNIX) as one:
    refused("abstract", one.connect, "\\0" + HOST["abstract"])
""",
    "socket file of the host": """
import socket
for path in (HOST["unix"], "/proc/1/root" + HOST["unix"], "/run/dbus/system_bus_socket", "/var/run/docker.sock"):
    with socket.socket(socket.AF_UNIX) as one:
        refused(path, one.connect, path)
""",
    "other families of sockets": """
import socket
for family in range(64):
    if family not in (1, 2, 10, 16):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
            refused(f"family {family}", socket.socket, family, kind)
""",
    "raw sockets": """
import socket
refused("raw", socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
refused("raw", socket.socket, socket.AF_INET6, socket.SOCK_RAW, 58)
""",
    "netlink": """
import socket, struct
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as one:
    one.bind((0, 0))
    one.settimeout(1)
    # RTM_NEWLINK: bring a device of the type dummy into being
    info = struct.pack("HH", 10, 1) + b"dummy\\0\\0\\0"
    body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + struct.pack("HH", 4 + len(info), 18) + info
    one.send(struct.pack("IHHII", 16 + len(body), 16, 0x605, 1, 0) + body)
    answer = one.recv(4096)
    if struct.unpack("i", answer[16:20])[0] == 0:
        breach("a device was made")
devices = [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]]
if devices != ["lo"]:
    breach(f"devices {devices}")
""",
    "vsock": """
import socket
refused("vsock", socket.socket, socket.AF_VSOCK, socket.SOCK_STREAM)
refused("/dev/vsock", open, "/dev/vsock")
""",
}

READING = {
    "files of the host": """
for path in (HOST["secret"], "/w/.." + HOST["secret"], "/etc/shadow", "/etc/hostname", "/etc/machine-id",
             "/root/.bashrc", "/home", "/var/log/dpkg.log", "/proc/kcore", "/proc/kmsg", "/dev/mem", "/dev/kmsg"):
    refused(path, lambda path: open(path).read(), path)
for folder in ("/root", "/home", "/var", "/srv", "/opt", "/run", "/sys", "/boot", "/media", "/mnt"):
    refused(folder, os.listdir, folder)
if "root:" in open("/etc/passwd").read():
    breach("the host's users")
""",
    "files through /proc": """
for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
    for door in ("root", "cwd"):
        refused(f"{pid}/{door}", lambda path: open(path).read(), f"/proc/{pid}/{door}{HOST['secret']}")
        climbed = f"/proc/{pid}/{door}/" + "../" * 40 + HOST["secret"]
        refused(f"{pid}/{door}/..", lambda path: open(path).read(), climbed)
""",
    "environment of others": """
for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
    try:
        environment = open(f"/proc/{pid}/environ", "rb").read()
    except OSError:
        continue
    if HOST["canary"].encode() in environment or b"GREENLOOP" in environment:
        breach(f"the environment of {pid}")
if HOST["canary"] in repr(dict(os.environ)):
    breach("an inherited variable")
""",
    "memory of others": """
for pid in [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]:
    for name in ("mem", "stack"):
        if int(pid) == 1 or int(pid) == HOST["pid"]:
            refused(f"{pid}/{name}", lambda path: open(path, "rb").read(16), f"/proc/{pid}/{name}")
denied("process_vm_readv", 1, 0, 0, 0, 0, 0)
denied("kcmp", 1, os.getpid(), 0, 0, 0)
""",
    "processes of others": """
if os.path.exists(f"/proc/{HOST['pid']}/cmdline") and b"987" in open(f"/proc/{HOST['pid']}/cmdline", "rb").read():
    breach("a process of the host")
shown = [open(f"/proc/{name}/cmdline", "rb").read() for name in os.listdir("/proc") if name.isdigit()]
if any(b"pytest" in line or b"greenloop" in line for line in shown):
    breach(f"processes {shown}")
""",
    "inherited files": """
for number in range(3, 4096):
    try:
        kind = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        continue
    if not kind.startswith(("pipe:", "/proc/", "/w", "/dev/null", "/tmp")):
        breach(f"file descriptor {number} is {kind}")
""",
    "kernel's state": """
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches",
             "/proc/sys/kernel/hostname", "/proc/sys/net/ipv4/ip_forward", "/proc/self/oom_score_adj",
             "/proc/1/oom_score_adj", "/proc/sys/kernel/modprobe", "/proc/self/uid_map", "/proc/self/attr/current"):
    refused(path, lambda path: open(path, "a").close(), path)
refused("sysfs", os.listdir, "/sys/kernel")
refused("cgroups", os.listdir, "/sys/fs/cgroup")
""",
}

WRITING = {
    "outside the tree": """
for path in ("/x", "/usr/x", "/usr/bin/env", "/bin/sh", "/lib/x", "/etc/x", "/etc/passwd", "/etc/ld.so.preload",
             "/dev/x", "/proc/x", "/w/../x", HOST["secret"], HOST["folder"] + "/x"):
    refused(path, lambda path: open(path, "a").close(), path)
for path in ("/x", "/usr/x", "/etc/x", "/dev/x"):
    refused(path, os.mkdir, path)
refused("rename", os.rename, "/w", "/x")
refused("rename", os.rename, "/usr/bin/env", "/w/env")
""",
    "through links": """
for number, target in enumerate(("/usr/bin/env", "/etc/passwd", HOST["secret"], "/proc/1/root/etc/x", "/w/../x")):
    os.symlink(target, f"link{number}")
    refused(target, lambda path: open(path, "a").close(), f"link{number}")
os.symlink("/usr", "usr")
refused("through a folder", lambda: open("usr/x", "w"))
refused("chmod", os.chmod, "usr/bin/env", 0o777)
""",
    "hard links": """
for path in ("/usr/bin/env", "/etc/passwd", "/proc/self/exe", HOST["secret"]):
    refused(path, os.link, path, "/w/linked")
os.link("wall.py", "linked")
os.chmod("linked", 0o644)
open("linked", "a").write("# poisoned")
""",
    "devices": """
import stat
for number, kind in enumerate((stat.S_IFCHR, stat.S_IFBLK)):
    for major, minor in ((1, 1), (1, 5), (5, 1), (8, 0), (253, 0), (254, 0), (10, 229)):
        device = os.makedev(major, minor)
        refused(f"{kind} {major}:{minor}", os.mknod, f"node{number}{major}{minor}", kind | 0o666, device)
for name in ("mem", "kmem", "port", "sda", "vda", "nvme0n1", "fuse", "kvm", "loop-control", "net/tun"):
    refused(name, open, f"/dev/{name}")
""",
    "setuid": """
import shutil, subprocess
shutil.copy("/bin/sh", "shell")
os.chmod("shell", 0o6755)
said = subprocess.run(["./shell", "-p", "-c", "id -u; id -g; id -G"], capture_output=True, text=True).stdout.split()
if set(said) - {"1000", "65534"}:
    breach(f"ids {said}")
for program in ("/usr/bin/su", "/usr/bin/mount", "/usr/bin/newgrp", "/usr/bin/passwd"):
    if os.path.exists(program):
        done = subprocess.run([program, "-c", "id -u"], capture_output=True, stdin=subprocess.DEVNULL)
        if done.returncode == 0 and b"0" in done.stdout:
            breach(program)
for number in (0, 1, 65534):
    refused("setuid", os.setuid, number)
    refused("chown", os.chown, "shell", number, number)
""",
    "attributes": """
import fcntl, struct
refused("trusted", os.setxattr, "wall.py", "trusted.overlay.opaque", b"y")
refused("security", os.setxattr, "wall.py", "security.capability", struct.pack("<IIIII", 0x2000001, 1 << 21, 0, 0, 0))
for name in (b"opaque", b"redirect", b"metacopy"):
    try:
        os.setxattr("wall.py", b"user.overlay." + name, b"/../../../etc")
    except OSError:
        pass
with open("wall.py") as file:
    refused("immutable", fcntl.ioctl, file, 0x40086602, struct.pack("l", 0x10))
""",
}

POWER = {
    "tracing": """
for request, pid in ((0, 0), (16, 1), (16, HOST["pid"]), (0x4206, 1), (0x4206, os.getppid())):
    denied("ptrace", request, pid, 0, 0)
""",
    "signals": """
import signal
refused("the host's", os.kill, HOST["pid"], signal.SIGKILL)
refused("a group", os.killpg, HOST["pid"], signal.SIGKILL)
os.kill(1, signal.SIGKILL)
os.kill(1, signal.SIGSTOP)
refused("a handle", os.pidfd_open, HOST["pid"])
""",
    "namespaces": """
for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x8000000, 0x4000000, 0x2000000, 0x80):
    denied("unshare", flag)
    denied("clone", flag | 17, 0, 0, 0, 0)
denied("clone3", ctypes.create_string_buffer(88), 88)
for name in ("user", "mnt", "net", "pid"):
    with open(f"/proc/1/ns/{name}") if os.access(f"/proc/1/ns/{name}", os.R_OK) else open("/dev/null") as file:
        denied("setns", file.fileno(), 0)
""",
    "mounts": """
denied("mount", b"tmpfs", b"/tmp", b"tmpfs", 0, 0)
denied("mount", b"/", b"/tmp", 0, 4096, 0)
denied("mount", 0, b"/usr", 0, 32 | 4096, 0)
denied("umount2", b"/proc", 2)
denied("pivot_root", b"/w", b"/w")
denied("chroot", b"/w")
denied("open_tree", -100, b"/", 1)
denied("move_mount", -100, b"/w", -100, b"/tmp", 0)
denied("fsopen", b"tmpfs", 0)
denied("fsmount", 0, 0, 0)
denied("mount_setattr", -100, b"/usr", 0, ctypes.create_string_buffer(32), 32)
""",
    "kernel surface": """
denied("bpf", 0, ctypes.create_string_buffer(120), 120)
denied("perf_event_open", ctypes.create_string_buffer(128), 0, -1, -1, 0)
denied("userfaultfd", 1)
denied("io_uring_setup", 8, ctypes.create_string_buffer(240))
denied("keyctl", 0, -3, 1)
denied("add_key", b"user", b"x", b"x", 1, -3)
denied("request_key", b"user", b"x", 0, -3)
denied("fanotify_init", 0, 0)
denied("open_by_handle_at", -100, ctypes.create_string_buffer(128), 0)
denied("init_module", 0, 0, b"")
denied("finit_module", 0, b"", 0)
denied("kexec_load", 0, 0, 0, 0)
denied("swapon", b"/w/wall.py", 0)
denied("acct", b"/w/wall.py")
denied("quotactl", 0, 0, 0, 0)
denied("syslog", 3, ctypes.create_string_buffer(100), 100)
denied("reboot", 0xFEE1DEAD, 672274793, 0x1234567, 0)
denied("sethostname", b"x", 1)
denied("iopl", 3)
denied("ioperm", 0x80, 1, 1)
""",
    "clocks": """
import time
before = time.time()
denied("settimeofday", ctypes.create_string_buffer(16), 0)
denied("clock_settime", 0, ctypes.create_string_buffer(16))
timex = ctypes.create_string_buffer(208)
timex[0] = 2
denied("adjtimex", timex)
if abs(time.time() - before) > 60:
    breach("the clock was changed")
""",
    "priorities": """
import resource
refused("nice", os.setpriority, os.PRIO_PROCESS, 0, -20)
refused("real time", os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(50))
for kind in (resource.RLIMIT_NPROC, resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
    try:
        resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        continue
    breach(f"limit {kind}")
os.setpriority(os.PRIO_PROCESS, 0, 19)
""",
    "terminal": """
import fcntl, termios
refused("terminal", open, "/dev/tty")
for number in (0, 1, 2):
    refused("injection", fcntl.ioctl, number, termios.TIOCSTI, b"x")
    refused("console", fcntl.ioctl, number, 0x541C, b"\\x02")
""",
}

SPOILING = frozenset(("a tree without permissions", "the tree is emptied", "poisoned sources"))
"""Attempts after which dune may not find what it was about to use. Whoever spoils a build has a red one."""
ATTEMPTS = NETWORK | READING | WRITING | POWER | RESOURCES
