"""What a program of one OCaml file prints when the top level runs it, as far as two programs can be compared by it.

The file is read by ``#use`` in the OCaml top level, in the sandbox, so each definition is evaluated in turn and its
result printed: ``val x : t = v`` for a name, ``- : t = v`` for a bare expression, ``type``, ``exception`` and
``module`` for what they define. The first exception ends the program, and is printed as ``Exception: …``.

Two programs behave alike when they end alike and their standard output is the same, byte for byte, with these
exceptions: the banner, and the places (file, line, column) within a printed exception, which any edit above them moves.
So a result counts with its name, its type, its value and its place in the order; a function prints as ``<fun>``, so of
one that nobody calls only the type counts; what a program itself prints on standard output counts, on standard error
it does not. A program that exceeds its processor time ends ``timeout``, and is the same as another that does so after
the same output; one that calls ``exit`` ends with its status.
"""

import hashlib
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pydantic import Field

from greenloop.builds import images
from greenloop.builds.sandbox.policy import ENVIRONMENT, Command, Completed, Sandbox
from greenloop.builds.toolchain import combine, find_tool, identify
from greenloop.builds.toolchains.ocaml_file import WAY_OUT
from greenloop.records import InfrastructureError, InputError, Part, Record, TreeId
from greenloop.storage import named_io_errors
from greenloop.workspace.store import Mode, TreeStore

_FILE = "program.ml"
"""The name under which every program is run, so that none is told from another by it."""
_SCRIPT = """
cd "$1" || exit 126
ulimit -Ss 8192; ulimit -St "$2"; ulimit -Sv "$3"
exec "$4" -noprompt -noinit -w -a -color never <use 2>/dev/null
"""
_OUT_OF_TIME = 128 + 24
"""The exit status of a process that SIGXCPU ended."""
_SET_UP = 126
_BANNER = re.compile(rb"\A\s*OCaml version [^\n]*\n(?:[^\n]+\n)*\n")
_PLACE = re.compile(rb'\("[^"\n]*",\s+\d+,\s+-?\d+\)')
_READS = re.compile(
    rb"\b(?:Sys\.[a-z]\w*|Unix\.\w+|Gc\.[a-z]\w*|Filename\.\w*temp\w*|Hashtbl\.randomize|\w*self_init"
    rb"|open_(?:in|out)\w*|read_(?:line|int|float)\w*|stdin)\b"
)


class BehaviourLimits(Part):
    """What one program may use."""

    seconds: int = Field(default=3, ge=1)
    """Processor time, in whole seconds."""
    memory_mib: int = Field(default=1024, ge=128)
    """Address space, in MiB."""
    output_kib: int = Field(default=256, ge=1)
    """Of its output so much counts, in KiB."""


class Behaviour(Record):
    """How a program ended, and the SHA-256 of what it printed; its text is not kept."""

    ending: str
    """``end``, also after an exception; ``timeout``; or ``exit N``."""
    digest: str
    results: int = Field(ge=0)
    """Lines that print a result that is no function: what tells two programs of the same types apart."""


@dataclass(frozen=True)
class Programs:
    """Runs programs. ``root`` is the root file system that ``sandbox`` shows, where it is not the host's own."""

    store: TreeStore
    sandbox: Sandbox
    scratch: Path
    limits: BehaviourLimits = field(default_factory=BehaviourLimits)
    root: Path | None = None

    def fingerprint(self) -> str:
        """Hash the top level, the sandbox, the limits and the script: all that can change a behaviour."""
        top = self._top()
        image = "" if self.root is None else images.identity(self.root)
        stdlib = top.parent.parent / "lib" / "ocaml" / "stdlib.cma"
        parts: dict[str, object] = {
            "top": identify(top, self.root),
            "stdlib": identify(stdlib, self.root) if stdlib.is_file() else "",
            "image": image,
            "sandbox": self.sandbox.fingerprint(),
            "limits": self.limits.model_dump(),
            "script": _SCRIPT,
            "places": _PLACE.pattern.decode(),
        }
        return combine(parts)

    def run(self, trees: Sequence[TreeId]) -> tuple[Behaviour, ...]:
        """Run the program of each tree, one after another, each in a sandbox of its own.

        Raises ``InputError`` for a tree that is no program of one file, and ``InfrastructureError`` when one could
        not be run at all.
        """
        sources = [program(self.store, tree) for tree in trees]
        for tree, source in zip(trees, sources, strict=True):
            if source is None:
                raise InputError(f"the tree {tree} is no program of one OCaml file", "only such a one can be run")
        with named_io_errors(self.scratch):
            self.scratch.mkdir(parents=True, exist_ok=True)
            holder = tempfile.TemporaryDirectory(prefix="programs-", dir=self.scratch)
        with holder as folder:
            with named_io_errors(Path(folder)):
                for number, source in enumerate(sources):
                    place = Path(folder, str(number))
                    place.mkdir()
                    (place / _FILE).write_bytes(source or b"")
                    (place / "use").write_text(f'#use "{_FILE}";;\n')
            commands = [self._command(number) for number in range(len(sources))]
            ended = self.sandbox.run_over(Path(folder), delta=None, deletions=(), commands=commands, keep_going=True)
        return tuple(map(self._behaviour, ended))

    def _top(self) -> Path:
        return find_tool("ocaml", WAY_OUT, ENVIRONMENT["PATH"], self.root)

    def _command(self, number: int) -> Command:
        top = self._top()
        shown = top if self.root is None else Path("/", top.relative_to(self.root))
        words = (str(number), str(self.limits.seconds), str(self.limits.memory_mib * 1024), str(shown))
        # the limit of processor time decides; the wall clock is for a program that waits for something
        return Command(argv=("/bin/sh", "-c", _SCRIPT, "program", *words), seconds=30.0 + 10 * self.limits.seconds)

    def _behaviour(self, completed: Completed) -> Behaviour:
        status = completed.exit_status
        if status is None or completed.timed_out or (status == _SET_UP and not completed.stdout):
            raise InfrastructureError(
                "a program could not be run: it got no processor time within its wall clock"
                if completed.timed_out
                else f"a program could not be started: exit status {status}",
                "is the machine overloaded? run the command again",
            )
        ending = "timeout" if status == _OUT_OF_TIME else "end" if status == 0 else f"exit {status}"
        shown = printed(completed.stdout)[: self.limits.output_kib * 1024]
        found = [line for line in shown.split(b"\n") if _is_result(line)]
        return Behaviour(ending=ending, digest=hashlib.sha256(shown).hexdigest(), results=len(found))


def program(store: TreeStore, tree: TreeId) -> bytes | None:
    """Return the source of a tree's one OCaml file, ``None`` where it has none, several, or an interface or build."""
    paths = [path for path, entry in store.files(tree).items() if entry.mode is not Mode.LINK]
    code = [path for path in paths if PurePosixPath(path).suffix in {".ml", ".mli", ".mll", ".mly"}]
    builds = [path for path in paths if PurePosixPath(path).name in {"dune", "dune-project", "Makefile", "_oasis"}]
    if len(code) != 1 or not code[0].endswith(".ml") or builds:
        return None
    return store.read(tree, code[0])


def reads_environment(source: bytes) -> str:
    """Return what in a program may answer otherwise elsewhere or later (time, files, arguments, a random seed).

    Empty where nothing does. Found by name, in comments and strings as well: too often rather than too seldom.
    """
    found = _READS.search(source)
    return "" if found is None else found[0].decode("utf-8", "replace")


def printed(output: bytes) -> bytes:
    """Return what of the top level's standard output counts."""
    return _PLACE.sub(b"(place)", _BANNER.sub(b"", output, count=1))


def _is_result(line: bytes) -> bool:
    return line.startswith((b"val ", b"- : ")) and not line.endswith(b"= <fun>")
