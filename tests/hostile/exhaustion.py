"""Attempts to use up what others need, or to leave something behind for them; see ``attempts``."""

RESOURCES = {
    "scratch space": """
for folder in (".", "/tmp", "/dev/shm"):
    written = 0
    with open(f"{folder}/fill", "wb", buffering=0) as file:
        try:
            while written < 1 << 30:
                written += file.write(bytes(1 << 20))
        except OSError:
            pass
    if written >= 1 << 28:
        breach(f"{written} bytes in {folder}")
    os.remove(f"{folder}/fill")
""",
    "inodes": """
made = 0
try:
    while made < 10**6:
        os.close(os.open(f"/tmp/{made}", os.O_CREAT | os.O_WRONLY))
        made += 1
except OSError:
    pass
if made == 10**6:
    breach("a million files")
for number in range(made):
    os.remove(f"/tmp/{number}")
""",
    "a huge sparse file": """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open("sparse", "wb") as file:
    refused("1 TiB", os.ftruncate, file.fileno(), 1 << 40)
    refused("fallocate", os.posix_fallocate, file.fileno(), 0, 1 << 34)
""",
    "heap": """
try:
    held = bytearray(4 << 30)
except MemoryError:
    held = None
if held is not None:
    breach("4 GiB")
""",
    "mapped memory": """
import mmap
refused("anonymous", mmap.mmap, -1, 8 << 30)
held = []
try:
    while len(held) < 64:
        held.append(mmap.mmap(-1, 64 << 20, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))
except OSError:
    pass
if len(held) == 64:
    breach("4 GiB in pieces")
""",
    "stack": """
import threading
try:
    threading.stack_size(1 << 32)
    thread = threading.Thread(target=print)
    thread.start()
except (RuntimeError, ValueError, MemoryError):
    thread = None
if thread is not None:
    breach("a stack of 4 GiB")
""",
    "threads": """
import threading
started, done = 0, threading.Event()
threading.stack_size(64 << 10)
try:
    while started < 5000:
        threading.Thread(target=done.wait, daemon=True).start()
        started += 1
except (RuntimeError, MemoryError):
    pass
done.set()
if started == 5000:
    breach("5,000 threads")
""",
    "files open": """
held = []
try:
    while len(held) < 10**5:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
if len(held) >= 10**5:
    breach("100,000 open files")
""",
    "words and environment": """
import subprocess
refused("64 MiB of words", subprocess.run, ["/bin/true", *("x" * 100_000 for _ in range(700))])
refused("a huge environment", lambda: subprocess.run(["/bin/true"], env={"X": "x" * (1 << 26)}))
""",
    "deep folders": """
depth = 0
os.makedirs("/tmp/deep")
os.chdir("/tmp/deep")
try:
    while depth < 3000:
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
        depth += 1
except OSError:
    pass
""",
    "strange names": """
for name in (b"new\\nline", b"\\xff\\xfe", b"-rf", b"a b", b"\\x1b[31m", b"$(id)", b"x" * 255, b"\\\\", b"'", b"*"):
    open(b"/w/" + name, "w").close()
    open(b"/tmp/" + name, "w").close()
""",
    "a tree without permissions": """
for folder, folders, files in list(os.walk("/w", topdown=False)):
    for name in folders + files:
        os.chmod(os.path.join(folder, name), 0)
""",
    "messages between processes": """
import mmap
libc = ctypes.CDLL(None, use_errno=True)
for size in range(200):
    libc.shmget(0, 1 << 16, 0o1600)
    libc.msgget(0, 0o1600)
    libc.semget(0, 10, 0o1600)
left = open("/proc/sysvipc/shm").read() if os.path.exists("/proc/sysvipc/shm") else ""
""",
    "watches": """
libc = ctypes.CDLL(None, use_errno=True)
while libc.inotify_init() >= 0:
    pass
""",
    "the tree is emptied": """
import shutil
for name in os.listdir("/w"):
    shutil.rmtree(f"/w/{name}") if os.path.isdir(f"/w/{name}") else os.remove(f"/w/{name}")
refused("the root of the tree", os.rmdir, "/w")
""",
    "poisoned sources": """
for folder, _, files in os.walk("/w"):
    for name in files:
        try:
            with open(os.path.join(folder, name), "ab") as file:
                file.write(b"poison")
        except OSError:
            pass
        os.utime(folder, (4e9, 4e9))
""",
    "poisoned caches": """
for folder in ("/tmp/home/.cache/dune/db", "/tmp/home/.config/dune", "/w/_build/.db", "/w/.git/hooks"):
    try:
        os.makedirs(folder, exist_ok=True)
        open(f"{folder}/config", "w").write("(lang dune 2.9)(cache enabled)")
    except OSError:
        pass
for path in ("/tmp/home/.profile", "/tmp/home/.bashrc", "/tmp/home/.ocamlinit"):
    open(path, "w").write("exit 0")
""",
}
