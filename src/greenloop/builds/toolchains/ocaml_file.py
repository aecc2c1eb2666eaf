"""OCaml files that belong to no dune project: each ``.ml`` and ``.mli`` is checked by itself.

The compiler stops after typing, so a syntax error decides the stage and no separate parse is needed. A sandbox
would cost as much as a compilation, so many trees share one: a loop in a shell compiles each file under its own
limit of processor time, which does not depend on what else the machine does, and prints what the compiler said
between lines that carry a random word. Nothing of a tree is run and the compiler starts no program, so one tree
cannot speak for another.
"""

import re
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from pydantic import Field

from greenloop.builds import images
from greenloop.builds.diagnostics import ocaml
from greenloop.builds.diagnostics.text import clip, decode, distinct
from greenloop.builds.sandbox.policy import ENVIRONMENT, Command, Completed
from greenloop.builds.toolchain import Outcome, Workbench, combine, find_tool, identify, shorten
from greenloop.records import (
    Category,
    Diagnostic,
    EnvironmentFault,
    InfrastructureError,
    InputError,
    Part,
    Severity,
    Stage,
    StageResult,
    Status,
    Suite,
    TreeId,
)
from greenloop.storage import named_io_errors
from greenloop.workspace.store import Mode, TreeStore

WAY_OUT = "apt-get install --no-install-recommends ocaml-nox"

_SCRIPT = """
while read -r unit; do
  printf '\\n%s begin %s\\n' "$1" "$unit"
  (ulimit -St "$2"; exec "$3" -w -a -color never -error-style short -stop-after typing -c "$unit") 2>&1 </dev/null
  printf '\\n%s end %s %s\\n' "$1" "$unit" "$?"
done <units
"""
_OUT_OF_TIME = 128 + 24
"""The exit status that a shell gives to SIGXCPU."""

_CRASH = re.compile(r"Fatal error: (?P<what>[^\n]*)|(?P<memory>[Oo]ut of memory)")
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,100}\.mli?")


class OcamlFileConfig(Part):
    """How single OCaml files are checked."""

    seconds: int = Field(default=10, ge=1)
    """Processor time that one file may take, in whole seconds. A usual one takes 0.02."""
    batch: int = Field(default=128, ge=1)
    """Trees that share one start of the sandbox."""
    path: str = ENVIRONMENT["PATH"]
    """Where the compiler is looked up, inside the sandbox and outside, separated by colons."""


@dataclass(frozen=True)
class _Unit:
    """One file of one tree, and the name under which the compiler sees it."""

    tree: int
    path: str
    unit: str


@dataclass(frozen=True)
class _Compiled:
    """How one file's compilation ended."""

    status: Status
    diagnostics: tuple[Diagnostic, ...] = ()
    note: str = ""
    printed: str = ""


class OcamlFile:
    """The ``ocaml_file`` toolchain. Stages: parse and types, that is the suite ``check``."""

    name = "ocaml_file"
    suites = frozenset({Suite.CHECK})

    def __init__(self, config: OcamlFileConfig | None = None, *, root: Path | None = None) -> None:
        """``root``: the root file system that the sandbox shows, where it is not the host's own."""
        self._config = config or OcamlFileConfig()
        self._root = root
        self.batch = self._config.batch

    def fingerprint(self) -> str:
        """Hash the compiler, its standard library's interface, the script and the limits."""
        compiler = self._compiler()
        parts: dict[str, object] = {
            "toolchain": self.name,
            "compiler": identify(compiler, self._root),
            "image": "" if self._root is None else images.identity(self._root),
            "script": _SCRIPT,
            "seconds": self._config.seconds,
        }
        stdlib = compiler.parent.parent / "lib" / "ocaml" / "stdlib.cmi"
        if stdlib.is_file():
            parts["stdlib"] = identify(stdlib, self._root)
        return combine(parts)

    def _compiler(self) -> Path:
        try:
            return find_tool("ocamlc.opt", WAY_OUT, self._config.path, self._root)
        except EnvironmentFault:
            # bytecode-only installations have no ocamlc.opt; the answer is the same, only slower
            return find_tool("ocamlc", WAY_OUT, self._config.path, self._root)

    def judge(self, trees: Sequence[TreeId], suite: Suite, bench: Workbench) -> tuple[Outcome, ...]:
        """Check every OCaml file of every tree, in one sandbox."""
        if suite not in self.suites:
            raise InputError(
                f"single OCaml files can only be checked, not judged by the suite {suite.value!r}",
                "ask for the suite 'check', or add a dune-project",
            )
        with named_io_errors(bench.scratch):
            bench.scratch.mkdir(parents=True, exist_ok=True)
            holder = tempfile.TemporaryDirectory(prefix="files-", dir=bench.scratch)
        with holder as folder:
            with named_io_errors(Path(folder)):
                units = tuple(_lay_out(trees, bench.store, Path(folder)))
                Path(folder, "units").write_text("".join(f"{unit.unit}\n" for unit in units), "utf-8")
            compiled, seconds = self._compile(units, Path(folder), bench)
        by_tree: dict[int, list[_Compiled]] = {number: [] for number in range(len(trees))}
        for unit in units:
            by_tree[unit.tree].append(compiled[unit.unit])
        return tuple(_outcome(files, seconds) for files in by_tree.values())

    def _compile(self, units: Sequence[_Unit], folder: Path, bench: Workbench) -> tuple[dict[str, _Compiled], float]:
        """Return how each unit ended, and the mean seconds a unit took."""
        if not units:
            return {}, 0.0
        nonce = secrets.token_hex(16)
        compiler = self._compiler()
        shown = compiler if self._root is None else Path("/", compiler.relative_to(self._root))
        arguments = (nonce, str(self._config.seconds), str(shown))
        command = Command(
            argv=("/bin/sh", "-c", _SCRIPT, "greenloop", *arguments),
            env={"PATH": self._config.path},
            # the limit of each file holds inside; this one only ends a loop that hangs for another reason
            seconds=60.0 + 2.0 * len(units) * self._config.seconds,
        )
        (completed,) = bench.sandbox.run_over(folder, delta=None, deletions=(), commands=(command,))
        ended = dict(_read(completed, nonce))
        if not ended and not completed.truncated:
            raise InfrastructureError(
                f"the batch of OCaml files ended with exit status {completed.exit_status}: "
                f"{decode(completed.stderr)[-400:].strip() or 'no output'}"
            )
        missing = _Compiled(Status.INFRA_ERROR, note="the output of the batch was cut off")
        if completed.truncated and len(units) == 1:
            missing = _Compiled(Status.REJECTED, note=f"{units[0].path}: the compiler printed without end")
        compiled = {
            unit.unit: replace(
                _classify(unit, ended[unit.unit]), printed=ended[unit.unit][1].replace(unit.unit, unit.path)
            )
            if unit.unit in ended
            else missing
            for unit in units
        }
        return compiled, completed.seconds / len(units)


def _lay_out(trees: Sequence[TreeId], store: TreeStore, folder: Path) -> Iterator[_Unit]:
    """Write each OCaml file into a folder of its own, so that no file sees another's interface."""
    for number, tree in enumerate(trees):
        for path, entry in store.files(tree).items():
            if entry.mode is Mode.LINK or not path.endswith((".ml", ".mli")):
                continue
            name = PurePosixPath(path).name
            if _PLAIN_NAME.fullmatch(name) is None:
                name = "file" + PurePosixPath(path).suffix
            unit = _Unit(number, path, f"{number}/{len(list(folder.glob(f'{number}/*')))}/{name}")
            target = folder / unit.unit
            target.parent.mkdir(parents=True)
            target.write_bytes(store.read_blob(entry.blob))
            yield unit


def _read(completed: Completed, nonce: str) -> Iterator[tuple[str, tuple[int, str]]]:
    """Yield (unit, (exit status, output)) for each compilation that was printed whole."""
    text = decode(completed.stdout)
    printed = re.compile(rf"\n{nonce} begin (\S+)\n(.*?)\n{nonce} end (\S+) (\d+)\n", re.DOTALL)
    for found in printed.finditer(text):
        if found[1] == found[3]:
            yield found[1], (int(found[4]), found[2])


def _classify(unit: _Unit, ended: tuple[int, str]) -> _Compiled:
    """Tell red from a compiler that crashed on this input, and both from a machine that failed."""
    exit_status, output = ended
    if exit_status == 0:
        return _Compiled(Status.GREEN)
    if exit_status == _OUT_OF_TIME:
        return _Compiled(Status.TIMEOUT, note=f"{unit.path}: the compiler did not finish in time")
    diagnostics = tuple(_rename(diagnostic, unit) for diagnostic in ocaml.parse(output))
    crash = _CRASH.search(output)
    if crash is not None or exit_status in {128 + 6, 128 + 11}:
        why = (crash["what"] or crash["memory"]) if crash is not None else f"signal {exit_status - 128}"
        return _Compiled(Status.REJECTED, note=f"{unit.path}: the compiler crashed: {why}")
    if any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics):
        return _Compiled(Status.RED, diagnostics)
    why = clip(output)[:200] or "no output"
    return _Compiled(Status.INFRA_ERROR, note=f"{unit.path}: the compiler ended with {exit_status}: {why}")


def _rename(diagnostic: Diagnostic, unit: _Unit) -> Diagnostic:
    """Give a diagnostic the path in the tree instead of the one in the batch."""
    path = unit.path if diagnostic.path == unit.unit else diagnostic.path
    return diagnostic.model_copy(
        update={"path": path, "message": diagnostic.message.replace(f'"{unit.unit}"', f'"{unit.path}"')}
    )


def _outcome(files: Sequence[_Compiled], seconds: float) -> Outcome:
    """Put the files of one tree together: green if all are; one sure red outweighs a time-out."""
    if not files:
        return Outcome(Status.REJECTED, note="the tree holds no OCaml file")
    order = (Status.INFRA_ERROR, Status.RED, Status.TIMEOUT, Status.REJECTED, Status.GREEN)
    status = next(status for status in order if any(file.status is status for file in files))
    diagnostics = distinct(diagnostic for file in files for diagnostic in file.diagnostics)
    unparsed = any(diagnostic.category is Category.SYNTAX for diagnostic in diagnostics)
    # which of the two stages a crash or a time-out belongs to is unknown: it is told of the first
    at_parse = status is not Status.GREEN and (unparsed or status is not Status.RED)
    spent = seconds * len(files)
    reached = [StageResult(stage=Stage.PARSE, status=status if at_parse else Status.GREEN, seconds=spent)]
    if not at_parse:
        # one run of the compiler did both; its time is told once
        reached.append(StageResult(stage=Stage.TYPES, status=status, seconds=0))
    notes = "; ".join(file.note for file in files if file.note)
    log = shorten("".join(f"{file.printed.rstrip()}\n" for file in files if file.printed.strip()))
    return Outcome(status, tuple(reached), diagnostics, note=notes, log=log)
