"""What runs on a node: a bench behind methods that Ray can call. It knows nothing of Ray."""

import os
import threading
from pathlib import Path
from tempfile import NamedTemporaryFile

from greenloop.builds.stop import Stop
from greenloop.ces.cluster.bench import Bench, MakeBench
from greenloop.ces.cluster.messages import Answer, Job, Opened, Trouble
from greenloop.records import EvaluationRequest, GreenloopError, InfrastructureError, TreeId
from greenloop.storage import named_io_errors

_UNWANTED = 4096
"""Tickets that are remembered as cancelled: more than can wait for one actor."""


class Actor:
    """One node's worker and pool. Methods are called from several threads; errors are returned, not raised."""

    def __init__(self, make: MakeBench, folder: str) -> None:
        self._make = make
        self._folder = Path(folder)
        self._bench: Bench | None = None
        self._lock = threading.Lock()
        self._running: dict[str, Stop] = {}
        self._unwanted: dict[str, None] = {}
        """Tickets that were cancelled before their job began, or after it ended, the oldest first."""

    def open(self) -> Opened | Trouble:
        """Make the bench; only then can anything else be asked."""
        try:
            with named_io_errors(self._folder):
                self._folder.mkdir(parents=True, exist_ok=True)
            self._bench = self._make(self._folder)
        except GreenloopError as error:
            return Trouble.of(error)
        return self.state()

    def state(self) -> Opened:
        """Say that the actor lives, and what it holds."""
        bench = self._open_bench()
        return Opened(bench.fingerprint, os.getpid(), tuple(build.to_json() for build in bench.builds.builds()))

    def lacks(self, trees: tuple[TreeId, ...]) -> tuple[TreeId, ...]:
        """Return those that the node's store does not hold."""
        store = self._open_bench().store
        return tuple(tree for tree in trees if tree not in store)

    def take(self, pack: bytes) -> Trouble | None:
        """Add the trees of a pack to the node's store."""
        try:
            with named_io_errors(self._folder), NamedTemporaryFile(dir=self._folder, suffix=".pack") as file:
                file.write(pack)
                file.flush()
                self._open_bench().store.import_pack(Path(file.name))
        except GreenloopError as error:
            return Trouble.of(error)
        return None

    def warm(self, revision: str) -> str | Trouble:
        """Begin to warm a revision, told as a tree; returns the ``WarmBuild`` as JSON."""
        try:
            return self._open_bench().builds.warm_later(revision).to_json()
        except GreenloopError as error:
            return Trouble.of(error)

    def evaluate(self, job: Job) -> Answer | Trouble:
        """Judge. A cancelled job ends as ``Cancelled`` once its work is dead."""
        bench = self._open_bench()
        with Stop() as stop:
            try:
                with self._lock:
                    if job.ticket in self._unwanted:
                        del self._unwanted[job.ticket]
                        stop.request()
                    self._running[job.ticket] = stop
                stop.check()
                bench.quarantine.learn(job.toolchain, job.project, job.quarantine)
                judged = bench.worker.ask(EvaluationRequest.from_json(job.request)).judge(stop)
                return Answer.of(judged.evaluation, judged.log, bench.quarantine.drain())
            except GreenloopError as error:
                return Trouble.of(error)
            finally:
                with self._lock:
                    del self._running[job.ticket]

    def cancel(self, ticket: str) -> bool:
        """End a job's work, or let it never begin; returns whether it is at work, and so has an end to wait for."""
        with self._lock:
            stop = self._running.get(ticket)
            if stop is not None:
                stop.request()
                return True
            self._unwanted[ticket] = None
            while len(self._unwanted) > _UNWANTED:
                del self._unwanted[next(iter(self._unwanted))]
            return False

    def close(self) -> None:
        """Kill what is at work and let go of everything."""
        with self._lock:
            for stop in self._running.values():
                stop.request()
            bench, self._bench = self._bench, None
        if bench is not None:
            bench.close()

    def _open_bench(self) -> Bench:
        if self._bench is None:
            raise InfrastructureError("the actor is not open", "this is a fault of Greenloop's")
        return self._bench
