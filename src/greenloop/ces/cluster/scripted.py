"""A bench for tests of clusters: it judges by a script that travels as data, and writes a journal of what it did."""

import fcntl
import os
import select
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from greenloop.builds.stop import Stop
from greenloop.ces.cluster.bench import Bench, RelayQuarantine, ToldRevisions
from greenloop.ces.scripted import ScriptedJudged, scripted_id
from greenloop.ces.seams import Asked
from greenloop.records import (
    Evaluation,
    EvaluationRequest,
    InfrastructureError,
    ReplaceBlocks,
    Status,
    TreeId,
    WarmBuild,
    WriteFile,
)
from greenloop.workspace.store import TreeStore

FINGERPRINT = "5c" * 32
"""The toolchain's, of all scripted benches that say no other."""


@dataclass(frozen=True)
class Event:
    """One line of the journal."""

    what: str
    """``open``, ``begin``, ``end``, ``killed``, ``warm``, ``close``."""
    actor: str
    """Name of the actor's folder."""
    pid: int
    about: str
    """The text that the edit writes, or the revision."""


@dataclass(frozen=True)
class ScriptedBench:
    """Makes benches: call it with a folder. Every edit that writes ``red`` is red, ``broken`` a fault of the machine,
    any other text green, after ``seconds``, or ``slow_seconds`` where it writes ``slow``. Trees are warm at once."""

    journal: Path
    """Where all actors of all nodes write what they do: a file that they share."""
    seconds: float = 0.0
    slow_seconds: float = 0.0
    fingerprint: str = FINGERPRINT
    refuses: tuple[str, ...] = ()
    """Names of actors' folders where no bench can be made."""
    strangers: tuple[str, ...] = ()
    """Names of actors' folders whose tools are others."""

    def __call__(self, folder: Path) -> Bench:
        """Make a bench. Raises ``InfrastructureError`` where the script refuses."""
        if folder.name in self.refuses:
            raise InfrastructureError("a layer of the sandbox is missing: seccomp", "the script says so")
        store = TreeStore(folder / "trees")
        work = _Work(self, folder.name, store)
        work.write("open", "")
        fingerprint = "00" * 32 if folder.name in self.strangers else self.fingerprint
        return Bench(fingerprint, store, work, work, work.quarantine, lambda: work.write("close", ""))

    def events(self) -> list[Event]:
        """Return what was written so far."""
        if not self.journal.exists():
            return []
        lines = self.journal.read_text(encoding="utf-8").splitlines()
        return [Event(what, actor, int(pid), about) for what, actor, pid, about in (line.split("\t") for line in lines)]


class _Work:
    """Worker and pool in one."""

    def __init__(self, script: ScriptedBench, name: str, store: TreeStore) -> None:
        self._script, self._name = script, name
        self._revisions = ToldRevisions(store)
        self._held: dict[TreeId, WarmBuild] = {}
        self._lock = threading.Lock()
        self.quarantine = RelayQuarantine()

    def write(self, what: str, about: str) -> None:
        """Add a line to the journal, whole, whoever else writes."""
        with self._script.journal.open("a", encoding="utf-8") as journal:
            fcntl.flock(journal, fcntl.LOCK_EX)
            journal.write(f"{what}\t{self._name}\t{os.getpid()}\t{about}\n")

    def ask(self, request: EvaluationRequest) -> Asked:
        """See ``seams.Judges.ask``."""
        return Asked(scripted_id(request), lambda stop: self._judge(request, stop))

    def _judge(self, request: EvaluationRequest, stop: Stop) -> ScriptedJudged:
        text = _written(request)
        if request.revision is not None:
            self.warm_later(request.revision)
        self.write("begin", text)
        began = time.monotonic()
        select.select([stop], [], [], self._script.slow_seconds if "slow" in text else self._script.seconds)
        if stop.requested:
            self.write("killed", text)
        stop.check()
        self.write("end", text)
        if "broken" in text:
            raise InfrastructureError(f"{self._name}: the disk is full")
        if "flaky" in text:
            self.quarantine.add_quarantine(self._script.fingerprint, "", ("a flaky test",), "the script says so")
        status = Status.RED if "red" in text else Status.GREEN
        note = f"judged by {self._name} in {time.monotonic() - began:.1f} s"
        return ScriptedJudged(Evaluation(id=scripted_id(request), status=status, note=note), log=f"{text}\n")

    def warm_later(self, revision: str) -> WarmBuild:
        """Hold a build of the revision, at once."""
        tree = self._revisions.find(revision).tree
        with self._lock:
            return self._hold(revision, tree)

    def _hold(self, revision: str, tree: TreeId) -> WarmBuild:
        if tree not in self._held:
            self.write("warm", revision)
            self._held[tree] = WarmBuild(
                revision=revision, tree=tree, state="green", toolchain=self._script.fingerprint
            )
        return self._held[tree]

    def builds(self) -> tuple[WarmBuild, ...]:
        """Return all builds, the newest first."""
        return tuple(reversed(self._held.values()))


def _written(request: EvaluationRequest) -> str:
    """Return the text that the request's edit writes, on one line."""
    files = request.edit.files if request.edit is not None else ()
    texts = [file.content for file in files if isinstance(file, WriteFile)]
    texts += [block.replace for file in files if isinstance(file, ReplaceBlocks) for block in file.blocks]
    return " ".join(" ".join(texts).split())
