"""Trying each layer of the sandbox, for ``greenloop doctor``: every report comes of something really done."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from greenloop.builds.sandbox import cgroup, landlock
from greenloop.builds.sandbox.advice import advise, user_namespaces
from greenloop.builds.sandbox.bubblewrap import Bubblewrap
from greenloop.builds.sandbox.launcher import TOOL_PATH
from greenloop.builds.sandbox.policy import Command, Completed, LayerReport, Limits
from greenloop.records import InfrastructureError

_OVERLAY = """
mount -t tmpfs tmpfs "$1" && cd "$1" && mkdir lower upper work all &&
mount -t overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work overlay all && : >all/x
"""
_SMALL = Limits(wall_seconds=20, memory_mib=256, output_kib=16, scratch_mib=16, processes=24)


@dataclass(frozen=True)
class _Bench:
    """Where the layers are tried."""

    folder: Path
    sandbox: Bubblewrap

    def sh(self, script: str, *, seconds: float | None = None, env: Mapping[str, str] | None = None) -> Completed:
        """Run a script over a tree of one file."""
        lower = self.folder / "lower"
        lower.mkdir(exist_ok=True)
        (lower / "file").write_text("lower\n")
        command = Command(("/bin/sh", "-c", script), seconds=seconds, env=env or {})
        return self.sandbox.run_over(lower, delta=None, deletions=(), commands=(command,))[0]


def self_test(scratch: Path | None = None, root: Path | None = None) -> tuple[LayerReport, ...]:
    """Try each layer, the basis first; what needs a broken one is not tried. Takes about a second.

    ``scratch``: where its folders are made; the system's own place by default. ``root``: the root file system with
    which the sandbox will be used, as in ``Bubblewrap``. Whoever serves others demands that all are ``ok``.
    """
    with tempfile.TemporaryDirectory(prefix="greenloop-doctor-", dir=scratch) as folder:
        basis = tuple(_basis(Path(folder)))
        if not all(report.ok for report in basis):
            return basis
        sandbox = Bubblewrap(limits=_SMALL, root=root)
        try:
            bench = _Bench(Path(folder), sandbox)
            return (*basis, *(_report(name, probe, bench) for name, probe in _PROBES.items()), _landlock(bench, root))
        finally:
            sandbox.close()


def _basis(folder: Path) -> Iterator[LayerReport]:
    """What the sandbox is made of, piece by piece."""
    yield _tool("bubblewrap", ["bwrap", "--version"], "apt-get install bubblewrap")
    yield _tool("user namespaces", ["unshare", "-Urm", "--", "true"], user_namespaces())
    (folder / "overlay").mkdir()
    script = ["unshare", "-Urm", "--", "/bin/sh", "-c", _OVERLAY, "sh", str(folder / "overlay")]
    yield _tool("overlay", script, advise("overlay"))
    yield _groups()


def _tool(name: str, argv: list[str], way_out: str) -> LayerReport:
    """Report whether a program runs and succeeds."""
    try:
        done = subprocess.run(
            argv, capture_output=True, timeout=20, check=False, stdin=subprocess.DEVNULL, env={"PATH": TOOL_PATH}
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return LayerReport(name, ok=False, detail=str(error), way_out=way_out)
    said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
    if done.returncode != 0:
        return LayerReport(name, ok=False, detail=said or f"exit status {done.returncode}", way_out=way_out)
    return LayerReport(name, ok=True, detail=said or "works")


def _groups() -> LayerReport:
    """Report what bounds the number of processes, and their memory together."""
    hierarchies = cgroup.find()
    if hierarchies:
        versions = " and ".join(sorted({f"v{hierarchy.version}" for hierarchy in hierarchies}))
        return LayerReport("control groups", ok=True, detail=f"memory and pids, cgroup {versions}")
    if os.geteuid() == 0:
        way_out = "run Greenloop as a plain user, or give it a writable /sys/fs/cgroup"
        return LayerReport("control groups", ok=False, detail="none can be made, and root needs them", way_out=way_out)
    return LayerReport("control groups", ok=True, detail="none, not needed: resource limits bind this user")


def _report(name: str, probe: Callable[[_Bench], str], bench: _Bench) -> LayerReport:
    """Turn a probe's word into a report: empty when the layer holds, else what went wrong."""
    try:
        wrong = probe(bench)
    except InfrastructureError as error:
        return LayerReport(name, ok=False, detail=error.message, way_out=error.way_out)
    if wrong:
        return LayerReport(name, ok=False, detail=wrong, way_out="do not run untrusted code on this machine")
    return LayerReport(name, ok=True, detail="holds")


def _throw_away(bench: _Bench) -> str:
    done = bench.sh("echo changed >file && echo new >other && cat file")
    if done.stdout != b"changed\n":
        return f"the tree is not writable: {done.stderr.decode('utf-8', 'replace').strip()}"
    lower = bench.folder / "lower"
    kept = sorted(path.name for path in lower.iterdir())
    unchanged = kept == ["file"] and (lower / "file").read_text() == "lower\n"
    return "" if unchanged else "a command changed the tree below"


def _network(bench: _Bench) -> str:
    done = bench.sh("readlink /proc/self/ns/net; sed 1,2d /proc/net/dev | cut -d: -f1")
    space, *devices = done.stdout.decode("ascii").split()
    if space == str(Path("/proc/self/ns/net").readlink()):
        return "commands share the network of this machine"
    return "" if devices == ["lo"] else f"commands see network devices: {' '.join(devices)}"


def _host_files(bench: _Bench) -> str:
    planted = bench.folder / "planted"
    planted.write_text("a planted file")
    # Opening to append, and writing nothing, tells whether a kernel setting could be changed.
    script = """
        cat "$PLANTED" /etc/shadow /etc/hostname; ls /home /root /sys /run
        for f in /proc/sys/kernel/core_pattern /etc/x /usr/x /x /dev/x; do (: >>"$f") && echo "$f"; done; :
    """
    done = bench.sh(script, env={"PLANTED": str(planted)})
    reached = done.stdout.decode("utf-8", "replace").strip()
    return f"a command reached {reached[:200]!r}" if reached or not done.ok else ""


def _privileges(bench: _Bench) -> str:
    done = bench.sh("grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; unshare -U true && echo U")
    wanted = {"CapEff:": "0" * 16, "CapBnd:": "0" * 16, "NoNewPrivs:": "1", "Seccomp:": "2"}
    words = done.stdout.decode("ascii").split()
    if words[-1] == "U":
        return "the system-call filter lets a command make namespaces"
    found = dict(zip(words[::2], words[1::2], strict=True))
    return "" if found == wanted else f"a command runs with {' '.join(words)}"


def _wall_clock(bench: _Bench) -> str:
    done = bench.sh("setsid sleep 60 & sleep 60", seconds=0.2)
    return "" if done.timed_out else "a command outlived its time"


def _output(bench: _Bench) -> str:
    done = bench.sh("head -c 1000000 /dev/zero")
    capped = done.truncated and len(done.stdout) == _SMALL.output_kib << 10
    return "" if capped else f"{len(done.stdout)} bytes of output were kept"


def _memory(bench: _Bench) -> str:
    done = bench.sh("head -c 400000000 /dev/zero | tail -c 390000000 | wc -c")
    return "" if b"390000000" not in done.stdout else "a command used more memory than its limit"


def _scratch(bench: _Bench) -> str:
    done = bench.sh(
        "head -c 10M /dev/zero >a; head -c 10M /dev/zero >/tmp/b; head -c 10M /dev/zero >/dev/shm/c; echo end"
    )
    return "" if done.stderr else "a command wrote more than its limit"


def _processes(bench: _Bench) -> str:
    flood = "i=0; while [ $i -lt 60 ]; do sleep 9 & i=$((i + 1)); done; echo all"
    done = bench.sh(flood)
    return "" if b"all" not in done.stdout else "a command started more processes than its limit"


def _landlock(bench: _Bench, root: Path | None) -> LayerReport:
    """Report whether the kernel keeps a command from writing by Landlock alone, where everything else would let it."""
    why = landlock.absent(root)
    if why:
        return LayerReport("Landlock", ok=True, detail=f"not present: {why}", present=False)
    only_read = "setpriv --landlock-access fs --landlock-rule path-beneath:execute,read-file,read-dir:/ --"

    def probe(bench: _Bench) -> str:
        done = bench.sh(f"echo x >new && cat new && {only_read} sh -c 'cat file; : >>file && echo written'")
        return "" if done.stdout == b"x\nlower\n" else f"it does not hold: {done.stdout + done.stderr!r}"

    return _report("Landlock", probe, bench)


_PROBES: dict[str, Callable[[_Bench], str]] = {
    "throw-away tree": _throw_away,
    "no network": _network,
    "host out of reach": _host_files,
    "privileges and system calls": _privileges,
    "wall clock": _wall_clock,
    "output cap": _output,
    "memory limit": _memory,
    "scratch limit": _scratch,
    "process limit": _processes,
}
