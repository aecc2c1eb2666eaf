"""The seam of toolchains: what knows how a tree is checked, built and tested, and what its tools print."""

import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from greenloop.builds.diagnostics.text import decode
from greenloop.builds.sandbox.forkserver import MORE
from greenloop.builds.sandbox.policy import ENVIRONMENT, Completed, Sandbox
from greenloop.builds.stop import Stop
from greenloop.records import (
    Category,
    Diagnostic,
    EnvironmentFault,
    Severity,
    Stage,
    StageResult,
    Status,
    Suite,
    TestResult,
    TreeId,
)
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True)
class Workbench:
    """What a toolchain works with; the engine owns it."""

    store: TreeStore
    sandbox: Sandbox
    scratch: Path
    """A folder of Greenloop's own, kept between runs: warm trees live below it."""
    fingerprint: str
    """The engine's fingerprint: of the toolchain, the sandbox and the parsers together."""
    base: TreeId | None = None
    """Judge above the warm build of this tree and no other; ``None`` takes the nearest, and may make one."""
    stop: Stop | None = None
    """Ends running commands when it is requested: ``Cancelled`` is raised."""
    toolchain: str = ""
    """The toolchain's own fingerprint; empty where nobody gave one."""

    @property
    def warm_kind(self) -> str:
        """What warm builds depend on: the tools, not what a sandbox lets one judgement use.

        What was built without a sandbox is never built upon within one.
        """
        return ("" if self.sandbox.sandboxed else "open-") + (self.toolchain or self.fingerprint)[:16]


@dataclass(frozen=True)
class Outcome:
    """A toolchain's answer on one tree, before the engine makes a ``Verdict`` of it.

    ``Status.INFRA_ERROR`` asks the engine to try again, and in the end to raise; ``note`` says why. ``final`` says
    that the toolchain has itself tried a doubtful tree twice.
    """

    status: Status
    stages: tuple[StageResult, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    tests: tuple[TestResult, ...] = ()
    note: str = ""
    final: bool = False
    rewritten: tuple[str, ...] = ()
    """See ``Verdict.rewritten``."""
    killed: bool = False
    """A signal ended the tests: a second run should say whether the machine did it."""
    log: str = ""
    """What the tools printed, stage by stage, cut in the middle where it is long. No part of the verdict."""


class Toolchain(Protocol):
    """Judges trees on a workbench. Called from several threads at once; keeps no state between calls."""

    @property
    def name(self) -> str:
        """A short stable word: ``dune``, ``ocaml_file``, ``command``."""
        ...

    @property
    def batch(self) -> int:
        """How many trees ``judge`` takes at once, at the most."""
        ...

    @property
    def suites(self) -> frozenset[Suite]:
        """The suites that this toolchain can judge."""
        ...

    def fingerprint(self) -> str:
        """Return what can change a verdict: tools by content, commands, flags, profile; not the sandbox.

        Raises ``EnvironmentFault`` naming a missing tool and the command that installs it.
        """
        ...

    def judge(self, trees: Sequence[TreeId], suite: Suite, bench: Workbench) -> tuple[Outcome, ...]:
        """Return one outcome a tree, in order.

        Raises ``InfrastructureError`` when the machine failed for all of them.
        """
        ...


def find_tool(name: str, way_out: str, path: str | None = None, root: Path | None = None) -> Path:
    """Return the real path of a program, links resolved.

    With ``root`` it is looked up in that root file system instead of the host's, and the path returned lies below it.
    Raises ``EnvironmentFault`` with ``way_out`` when it is not on ``path`` (the environment's by default).
    """
    if root is None:
        found = shutil.which(name, path=path)
        if found is None:
            raise EnvironmentFault(f"{name}: not found on PATH", way_out)
        return Path(found).resolve()
    for folder in (path or ENVIRONMENT["PATH"]).split(":"):
        at = inside(root, f"{folder}/{name}")
        if at is not None and at.is_file() and os.access(at, os.X_OK):
            return at
    raise EnvironmentFault(f"{name}: not found in the root file system {root.name}", way_out)


_MAX_LINKS = 40
"""Links that one path may pass through, as in the kernel."""


def inside(root: Path, path: str) -> Path | None:
    """Return where ``path`` leads when ``root`` is the root file system, or ``None`` when nothing is there.

    An absolute link leads to a place below ``root``, and ``..`` never above it, as they would once it is mounted.
    """
    todo = [part for part in reversed(path.split("/")) if part not in {"", "."}]
    at, links = root, 0
    while todo:
        part = todo.pop()
        if part == "..":
            at = at if at == root else at.parent
            continue
        at /= part
        if at.is_symlink():
            links += 1
            if links > _MAX_LINKS:
                return None
            target = os.fspath(at.readlink())
            at = root if target.startswith("/") else at.parent
            todo += [part for part in reversed(target.split("/")) if part not in {"", "."}]
    return at if at.exists() else None


def identify(tool: Path, root: Path | None = None) -> str:
    """Return ``path:size:sha256`` of a file: what it is, whatever it says of itself.

    The path is the one below ``root``, where that is given: an image is the same wherever it lies.
    """
    stat = tool.stat()
    shown = tool if root is None else Path("/", tool.relative_to(root))
    return f"{shown}:{stat.st_size}:{_digest(tool, stat.st_mtime_ns, stat.st_size)}"


@functools.lru_cache(maxsize=4096)
def _digest(tool: Path, _mtime_ns: int, _size: int) -> str:
    """Hash a file once for each (mtime, size) that it has had."""
    with tool.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def combine(parts: Mapping[str, object]) -> str:
    """Return one sha256 over named parts, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        digest.update(f"{name}={parts[name]!r}\n".encode())
    return digest.hexdigest()


def killed(completed: Completed) -> bool:
    """Whether a signal from elsewhere ended it: no memory left, or somebody's kill, its own children's included."""
    return completed.exit_status in {128 + 9, 128 + 15}


def killed_tests(completed: Completed, tests: tuple[TestResult, ...]) -> Outcome:
    """Return the red outcome of tests whose run a signal ended.

    The tests run the code, and the code can kill them, or eat the memory that its limits grant: red, whoever it was.
    """
    note = f"the test run was killed, by signal {(completed.exit_status or 0) - 128}"
    error = Diagnostic(severity=Severity.ERROR, category=Category.TEST, message=note)
    return Outcome(Status.RED, (), (error,), tests, note, killed=True)


_TOLD = 20
"""Rewritten files that a verdict names."""


def with_rewritten(outcome: Outcome, done: Completed, held_by: Callable[[str], bool]) -> Outcome:
    """Return the outcome of tests with the files that they wrote though tests are held by them."""
    rewritten = tuple(path for path in done.rewritten if path == MORE or held_by(path))
    return replace(outcome, rewritten=rewritten[:_TOLD])


def staged(
    stages: Sequence[Stage], completed: Sequence[Completed], assess: Callable[[Stage, Completed], Outcome]
) -> Outcome:
    """Put the ends of one command a stage together, up to the first that is not green.

    ``stages`` starts with ``types``, whose command parses as well: a syntax error decides which of the two it
    stopped at. ``assess`` judges one command by itself; the stages of what it returns are ignored.
    """
    reached: list[StageResult] = []
    outcome = Outcome(Status.GREEN)
    for stage, done in zip(stages, completed, strict=False):
        outcome = assess(stage, done)
        unparsed = any(diagnostic.category is Category.SYNTAX for diagnostic in outcome.diagnostics)
        if stage is Stage.TYPES:
            parsed = outcome.status if unparsed else Status.GREEN
            reached.append(StageResult(stage=Stage.PARSE, status=parsed, seconds=done.seconds if unparsed else 0))
        if not (stage is Stage.TYPES and unparsed):
            reached.append(StageResult(stage=stage, status=outcome.status, seconds=done.seconds))
        if outcome.status is not Status.GREEN:
            break
    return replace(outcome, stages=tuple(reached), log=transcript(list(zip(stages, completed, strict=False))))


_LOG_BYTES = 64 << 10
"""Bytes of an outcome's log."""


def transcript(ended: Sequence[tuple[Stage, Completed]]) -> str:
    """Return what the command of each stage printed, under a line that says how it ended."""
    parts = []
    for stage, done in ended:
        how = "stopped at its time limit" if done.timed_out else f"exit status {done.exit_status}"
        text = shorten(decode(done.stdout) + decode(done.stderr), _LOG_BYTES // len(ended) - 100)
        parts.append(f"== {stage.value}: {how} after {done.seconds:.3f} s\n{text.rstrip()}".rstrip() + "\n")
    return "".join(parts)


def shorten(text: str, size: int = _LOG_BYTES) -> str:
    """Return a text of at most ``size`` bytes of UTF-8, cut in the middle with a mark that says so."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= size:
        return text
    mark = f"\n[… {len(raw) - size} bytes cut …]\n"
    half = max(0, (size - len(mark.encode())) // 2)
    return raw[:half].decode("utf-8", "ignore") + mark + raw[len(raw) - half :].decode("utf-8", "ignore")
