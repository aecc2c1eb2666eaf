"""Hostile programs that end badly, or that pretend to end well, as data."""

from dataclasses import dataclass

from greenloop.records import Stage, Status, Suite

Files = dict[str, str | bytes | None]
Ends = tuple[Status, ...]
PYTHON = "/usr/bin/python3"
LOOP = "while :; do :; done"
BOMB = "bomb() { bomb | bomb & }; bomb; while :; do sleep 0.01; done"
GREEN, TIMEOUT, REJECTED = Status.GREEN, Status.TIMEOUT, Status.REJECTED
RED = Status.RED


@dataclass(frozen=True)
class Program:
    """``files`` are laid over the base tree of its kind. ``seconds`` limits each stage."""

    files: Files
    status: Status
    stage: Stage
    seconds: float = 10.0
    suite: Suite = Suite.TEST
    wants: str = ""
    """Text that the verdict must hold."""
    never: str = ""
    """Text that the verdict must not hold."""
    others: tuple[Status, ...] = ()
    """What it may end in as well: who wins a race is the attacker's affair, as long as it is not the attacker."""


def run(script: str, *, seconds: float = 10.0, status: Status = RED, wants: str = "", others: Ends = ()) -> Program:
    """A shell script in the place of the tests."""
    return Program({"run": script}, status, Stage.TESTS, seconds, wants=wants, others=others)


def python(code: str, *, seconds: float = 10.0, status: Status = RED, wants: str = "", others: Ends = ()) -> Program:
    """A Python script in the place of the tests."""
    files: Files = {"run": f"exec {PYTHON} main.py", "main.py": code}
    return Program(files, status, Stage.TESTS, seconds, wants=wants, others=others)


_DAEMON = """
import os, time
if os.fork():
    print("ok - main", flush=True)
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
{closing}
while True:
    time.sleep(0.01)
    open("/w/left", "a").write("x")
"""

COMMANDS = {
    "endless loop": python("while True: pass", seconds=1, status=TIMEOUT),
    "endless sleep that ignores signals": python(
        "import signal, time\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\ntime.sleep(1e6)",
        seconds=1,
        status=TIMEOUT,
    ),
    "endless loop while checking": Program({"check": LOOP}, TIMEOUT, Stage.TYPES, 1, Suite.CHECK),
    "endless build": Program({"build": "exec sleep 1000000"}, TIMEOUT, Stage.BUILD, 1, Suite.BUILD),
    "fork bomb": python(
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", seconds=1.5, status=TIMEOUT
    ),
    # a shell that cannot fork gives up, and where that comes before the time is up it is plain red
    "fork bomb in a shell": run(BOMB, seconds=1.5, status=TIMEOUT, others=(RED,)),
    "memory hog": python("held = []\nwhile True: held.append(bytearray(1 << 24))", wants="MemoryError"),
    "hogs together": python(
        "import os, time\nfor _ in range(6):\n    if not os.fork():\n        held = bytearray(150 << 20)\n"
        "        held[::4096] = b'x' * len(held[::4096])\n        time.sleep(2)\n        os._exit(0)\n"
        "bad = [os.wait()[1] for _ in range(6)]\nprint('not ok - all' if any(bad) else 'ok - all')",
        seconds=60,
    ),
    "stack overflow": python(
        "import re, sys, threading\nsys.setrecursionlimit(10**9)\n"
        "class Deep:\n    def __repr__(self): return repr(self)\nrepr(Deep())",
        status=RED,
    ),
    "core dump": python("import os\nos.abort()", wants="failed, silently"),
    # a file of that size is refused, or the room that all files share is full: whichever comes first
    "shared memory filled": run("head -c 1G /dev/zero >/dev/shm/x || exit 3; echo ok - filled", wants="error writing"),
    "output without end": run("yes", seconds=1.5, status=TIMEOUT),
    "output without end on both": run("yes >&2 & yes", seconds=1.5, status=TIMEOUT),
    "one line without end": run("head -c 100M /dev/zero | tr '\\\\0' a; exit 1"),
    "daemon with closed outputs": python(
        _DAEMON.format(closing="for n in range(64):\n    try: os.close(n)\n    except OSError: pass"),
        status=GREEN,
    ),
    "daemon that holds the outputs": python(_DAEMON.format(closing=""), status=GREEN),
    "daemon of the build, looked for by the tests": Program(
        {
            "build": "(setsid sh -c 'while :; do echo x >>/w/left; sleep 0.01; done' >/dev/null 2>&1 &) ; exit 0",
            "run": "a=$(cat left | wc -c); sleep 0.2; b=$(cat left | wc -c); [ $a = $b ] && echo ok - none",
        },
        GREEN,
        Stage.TESTS,
    ),
    "everybody killed": run("kill -9 -1; echo not ok - alive; exit 1"),
    "itself killed": run("kill -9 $$", wants="the test run was killed"),
    "parent stopped": python(
        "import os, signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(1e6)",
        seconds=1,
        status=TIMEOUT,
    ),
    "itself stopped": run("kill -STOP $$", seconds=1, status=TIMEOUT),
    "outputs closed": run("exec >&- 2>&- <&-; exit 0", wants="no test was seen"),
    "input awaited": run("read line; echo ok - read nothing $line", status=GREEN),
    "all files closed, status told to all of them": python(
        "import os\nfor n in range(3, 256):\n    try: os.write(n, b'{ \"exit-code\": 0 }\\nend\\n')\n"
        "    except OSError: pass\nos.closerange(0, 256)\nos._exit(7)",
    ),
    "fake status of the sandbox": run(
        'for n in 1 2 3 4 5 6 7 8 9; do printf \'{ "child-pid": 2 }\\n{ "exit-code": 0 }\\nend\\n\' >&$n; done'
        " 2>/dev/null; exit 3"
    ),
    "fake green, status 1": run("echo 'ok - base'; echo 'all tests passed'; exit 1"),
    "failure told, status 0": run("echo 'not ok - base'; exit 0", wants="exit status was 0"),
    "nothing told, status 0": run("exit 0", wants="no test was seen"),
    "terminal escapes": run("printf 'ok - x\\r\\033[2K\\033]0;owned\\007\\033[31mnot ok - y\\n'; exit 1"),
    "binary garbage": run("head -c 200000 /dev/urandom; head -c 200000 /dev/urandom >&2; exit 1"),
    "100,000 diagnostics": run(
        'i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); echo "a.py:$i:1: error: number $i"; done; exit 1', seconds=30
    ),
    "100,000 results": run('i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); echo "ok - $i"; done; exit 1', seconds=30),
    "numbers of a thousand digits": python(
        "print('a.py:' + '9' * 9999 + ':' + '8' * 9999 + ': error: no')\nraise SystemExit(1)"
    ),
    "build plants the tests": Program(
        {
            "build": "printf 'echo ok - planted; exit 0' >run; printf 'echo ok - planted' >/tmp/run; exit 0",
            "run": "echo not ok - real; exit 1",
        },
        RED,
        Stage.TESTS,
        never="planted",
    ),
    "build plants a program on the path": Program(
        {
            "build": "mkdir -p /tmp/home/bin bin; printf 'exit 0' | tee bin/python3 python3 sh >/tmp/home/bin/sh",
            "run": "ls /tmp /dev/shm; [ ! -e /w/python3 ] && echo ok - clean",
        },
        GREEN,
        Stage.TESTS,
    ),
    "build puts a pipe in the place of the tests": Program(
        {"build": "rm run && mkfifo run; exit 0", "run": "echo ok - real"}, GREEN, Stage.TESTS, 5
    ),
    "build makes the tests unreadable": Program(
        {"build": "chmod 0 . run; exit 0", "run": "echo ok - real"}, GREEN, Stage.TESTS, 5
    ),
    "check shuts the tree": Program({"check": "chmod 0 .", "build": "ls >/dev/null && exit 0"}, GREEN, Stage.TESTS, 5),
    "tests write sources": run("echo poison >look.py; echo poison >run; rm check; echo ok - wrote", status=GREEN),
}
"""Judged by the toolchain ``command``: ``sh check``, ``sh build``, ``sh run``."""

CHECK_RULE = '(rule (alias check) (deps (universe)) (action (system "{}")))\n'


def rule(
    shell: str, *, status: Status = RED, seconds: float = 15.0, wants: str = "", never: str = "", others: Ends = ()
) -> Program:
    """A rule of dune that runs while the types are checked."""
    files: Files = {"attack/dune": CHECK_RULE.format(shell)}
    return Program(files, status, Stage.TYPES, seconds, Suite.CHECK, wants, never, others)


def module(code: str | bytes, *, status: Status = RED, stage: Stage = Stage.TYPES, seconds: float = 15.0) -> Program:
    """A module of the library, as far as the types."""
    return Program({"lib/more.ml": code}, status, stage, seconds, Suite.CHECK)


def initialiser(code: str, *, status: Status = RED, seconds: float = 15.0, wants: str = "") -> Program:
    """Code that runs when the library is started, in the tests."""
    return Program({"lib/more.ml": f"let more = 1\nlet () = {code}\n"}, status, Stage.TESTS, seconds, wants=wants)


def generated(code: str, *, status: Status = RED, stage: Stage = Stage.TYPES, seconds: float = 15.0) -> Program:
    """A program of the project that makes one of its modules."""
    return Program(
        {
            "gen/dune": "(executable (name gen) (libraries unix))\n",
            "gen/gen.ml": code,
            "lib/dune": "(library (name small) (libraries unix))\n"
            "(rule (with-stdout-to table.ml (run ../gen/gen.exe)))\n",
        },
        status,
        stage,
        seconds,
        Suite.CHECK,
    )


def preprocessed(code: str, *, status: Status = RED, seconds: float = 15.0) -> Program:
    """A program of the project through which the compiler reads the library."""
    return Program(
        {
            "pp/dune": "(executable (name pp))\n",
            "pp/pp.ml": code,
            "lib/dune": "(library (name small) (libraries unix)"
            " (preprocess (action (run %{exe:../pp/pp.exe} %{input-file}))))\n",
        },
        status,
        Stage.TYPES,
        seconds,
        Suite.CHECK,
    )


_TYPES = "let f0 x = (x, x)\n" + "".join(f"let f{n} x = f{n - 1} (f{n - 1} x)\n" for n in range(1, 30))
_WARNINGS = "".join(f"let f{n} = let x = {n} in {n}\n" for n in range(8_000))

DUNE = {
    "rule that never ends": rule(LOOP, seconds=2, status=TIMEOUT),
    "rule that bombs": rule(BOMB, seconds=3, status=TIMEOUT, others=(RED,)),
    "rule that floods": rule("yes", seconds=3, status=TIMEOUT, others=(REJECTED,)),
    "rule that leaves a daemon": rule("(setsid sleep 98765 >/dev/null 2>&1 &) ; true", status=GREEN),
    "rule that kills dune": rule("kill -9 $PPID; sleep 5", status=REJECTED),
    "rule that ends dune politely": rule("kill -15 $PPID; sleep 5", others=(REJECTED,)),
    "rule that kills everybody": rule("kill -9 -1", status=REJECTED),
    "rule that stops dune": rule("kill -STOP $PPID; sleep 100", seconds=2, status=TIMEOUT),
    "rule that runs dune": rule("dune build --root /w @check", seconds=2, status=TIMEOUT, others=(RED,)),
    "rule that prints an error and succeeds": rule(
        "printf 'File \\\"lib/small.ml\\\", line 1, characters 0-1:\\nError: fake\\n'", status=GREEN, never="fake"
    ),
    "rule that prints success and fails": rule("echo Success; exit 1"),
    "rule that reads its environment": rule("env; exit 1", wants="DUNE_CACHE=disabled", never="canary"),
    "rule that rewrites sources": rule(
        "for f in $(find /w -name '*.ml'); do echo poison >$f; done", others=(GREEN, REJECTED)
    ),
    "rule that rewrites what was built": rule(
        "find /w/_build -type f -exec sh -c 'echo poison >$0' {} \\\\;; true", status=GREEN
    ),
    "rule that spoils dune's own state": rule("echo poison >/w/_build/.db; rm -rf /w/_build/log; true", status=GREEN),
    "rule that empties the tree": rule("rm -rf /w/* /w/.[a-z]*; true", others=(GREEN, REJECTED)),
    "rule that reads the host": Program(
        {"attack/dune": "(rule (with-stdout-to x.txt (cat /etc/shadow)))\n(alias (name check) (deps x.txt))\n"},
        RED, Stage.TYPES, suite=Suite.CHECK,
    ),
    "rule that reads and prints a file": Program(
        {"attack/dune": '(rule (alias check) (action (echo "%{read:/etc/passwd}")))\n'},
        RED, Stage.TYPES, suite=Suite.CHECK, never="root:", others=(REJECTED,),
    ),
    "rule that includes a file": Program(
        {"attack/dune": "(include /etc/passwd)\n"}, RED, Stage.TYPES, suite=Suite.CHECK, never="root:"
    ),
    "rules in a circle": Program(
        {"attack/dune": "(rule (copy b a))\n(rule (copy a b))\n(rule (alias check) (action (cat a)))\n"},
        RED, Stage.TYPES, suite=Suite.CHECK,
    ),
    "endless promotion": Program(
        {
            "attack/dune": "(rule (targets count.ml) (mode promote) (deps (universe)) (action (system"
            ' "cat ../../../attack/count.ml >count.ml; echo \'(* more *)\' >>count.ml")))\n(library (name attack))\n',
            "attack/count.ml": "let x = 1\n",
        },
        GREEN, Stage.TYPES, suite=Suite.CHECK,
    ),
    "dune file in OCaml": Program(
        {"attack/dune": '(* -*- tuareg -*- *)\nlet () = ignore (Sys.command "env"); while true do () done\n'},
        TIMEOUT, Stage.TYPES, 3, Suite.CHECK,
    ),
    "dune file of garbage": Program({"attack/dune": bytes(range(256)) * 40}, RED, Stage.TYPES, suite=Suite.CHECK),
    "dune file that is deep": Program(
        {"attack/dune": "(" * 100_000 + ")" * 100_000}, RED, Stage.TYPES, suite=Suite.CHECK
    ),
    "generator that never ends": generated("let () = while true do () done\n", seconds=3, status=TIMEOUT),
    "generator that floods": generated(
        'let () = while true do print_string (String.make 65536 \'x\') done\n'
    ),
    "generator that writes garbage": generated('let () = print_string "let x = \\000\\255("\n', stage=Stage.PARSE),
    "generator that kills": generated("let () = Unix.kill (Unix.getppid ()) 9; Unix.sleep 5\n", status=REJECTED),
    "preprocessor that never ends": preprocessed("let () = while true do () done\n", seconds=3, status=TIMEOUT),
    "preprocessor that leaves": preprocessed("let () = exit 0\n"),
    "types that explode": module(_TYPES + "let x = f29 1\n", seconds=3, status=TIMEOUT),
    "garbage in a source": module(bytes(range(256)) * 100, stage=Stage.PARSE),
    "a source of one line": module("let x = " + "1 + " * 20_000 + "1\n"),
    "deep source": module("let x = " + "(" * 100_000 + ")" * 100_000 + "\n"),
    "diagnostics by the thousand": module(_WARNINGS, seconds=60),
    "comment without end": module("(* " * 5_000, stage=Stage.PARSE),
    "lines told wrongly": module('# 1 "/etc/passwd"\nlet x : int = "1"\n'),
    "test that never ends": initialiser("while true do () done", seconds=3, status=TIMEOUT),
    "test that bombs": initialiser(
        "while true do try ignore (Unix.fork ()) with _ -> () done", seconds=3, status=TIMEOUT
    ),
    "test that hogs": initialiser("ignore (List.init 100 (fun _ -> Bytes.make (1 lsl 26) 'x'))"),
    "test that overflows": initialiser("let rec f x = 1 + f (x + 1) in ignore (f 0)"),
    "test that leaves early with success": initialiser("exit 0", status=GREEN),
    "test that kills dune": initialiser("Unix.kill (Unix.getppid ()) 9; Unix.sleep 5"),
    "test that floods": initialiser("while true do print_string (String.make 65536 'x') done", seconds=15),
    "test that leaves a daemon": initialiser(
        'if Unix.fork () = 0 then (ignore (Unix.setsid ()); if Unix.fork () = 0 then Unix.sleep 98765 else exit 0)',
        status=GREEN,
    ),
    "test that says what dune says": initialiser(
        'prerr_string "Internal error, please report upstream"; exit 1', status=REJECTED
    ),
    "test that rewrites its project": initialiser(
        'ignore (Sys.command "rm -rf /w/lib; echo poison >/w/test/dune; echo poison >/w/_build/.db")', status=GREEN
    ),
}  # fmt: skip
"""Judged by dune 2.9 and later."""
