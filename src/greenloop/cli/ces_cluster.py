"""The code evaluation service over a Ray cluster put together: the head's parts here, an actor's on every node."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from greenloop.builds.stop import Stop
from greenloop.builds.toolchains import ToolchainName
from greenloop.ces.cluster.bench import Bench, RelayQuarantine, ToldRevisions
from greenloop.ces.cluster.local import LocalCluster, environment
from greenloop.ces.cluster.terms import Terms
from greenloop.ces.ledger import Ledger
from greenloop.ces.pool import Pool
from greenloop.ces.quarantine import Quarantine
from greenloop.ces.revisions import Found, Revisions
from greenloop.ces.worker import Worker
from greenloop.cli.ces_service import Service, Sources, database, demand_layers, judge_of, memory
from greenloop.cli.config import Config
from greenloop.cli.home import Home
from greenloop.cli.toolchains import Bench as Judging
from greenloop.cli.toolchains import bench
from greenloop.records import EnvironmentFault, EvaluationRequest, InfrastructureError, WarmBuild

LOCAL = "local"
"""The address that means: a cluster of this machine alone, for as long as the service runs."""
_PATIENCE_SECONDS = 600.0
"""Seconds that a request waits at an actor for a build that it was not meant to be judged above, cold."""


@contextmanager
def assemble_cluster(
    home: Home, settings: Config, sources: Sources, *, address: str, warm: Sequence[str] = ()
) -> Iterator[Service]:
    """Build the service of a home over the Ray cluster at ``address``, or over one of its own, and take it apart.

    Every node needs greenloop and the same tools; its actor keeps a folder below ``HOME/ces/nodes`` there.
    Raises ``InputError`` and ``EnvironmentFault``.
    """
    if find_spec("ray") is None:
        raise EnvironmentFault("Ray is not installed", "pip install 'greenloop[ray]'")
    with ExitStack() as stack:
        if address == LOCAL:
            folder = home.path / "ray"
            # Ray reads its settings from the environment, when it is imported
            os.environ.update(environment(folder))
            address = stack.enter_context(LocalCluster(folder, cpus=settings.ces.workers)).address
        judge = judge_of(home, settings, sources)
        stack.callback(judge.engine.close)
        ledger = Ledger(database(home, settings))
        stack.callback(ledger.close)
        revisions = Revisions(home.trees, sources.repositories, packs=sources.packs, pack_mib=settings.ces.pack_mib)
        # a heavy optional dependency, and not to be imported before its settings are made
        from greenloop.ces.cluster.backend import RayBackend

        head = _head_worker(home, settings, judge, revisions, ledger)
        backend = RayBackend(
            partial(node_bench, settings, judge.toolchain, home.images),
            address=address,
            fingerprint=judge.engine.fingerprint,
            store=home.trees,
            revisions=revisions,
            key=lambda request: head.ask(request).id,
            books=ledger,
            quarantine=ledger,
            terms=Terms(folder=home.ces / "nodes", slots=settings.ces.workers),
            queue=settings.ces.queue,
            warm=warm,
            sandboxed=judge.engine.sandboxed,
        )
        about: dict[str, object] = {
            "sandboxed": judge.engine.sandboxed,
            "repositories": list(revisions.names),
            "suite": judge.suite.value,
            "ray": address,
        }
        yield Service(backend, None, ledger, revisions, about)


def node_bench(settings: Config, toolchain: ToolchainName, images: Path, folder: Path) -> Bench:
    """Make an actor's worker and pool in ``folder``; called on the node. ``images`` is where toolchain images lie.

    Raises ``InfrastructureError`` where a layer of the sandbox is missing, and what ``toolchains.bench`` raises.
    """
    home = _NodeHome(folder, images)
    wanted = settings.ces
    room = memory(settings)
    checkers = min(wanted.checkers, room.checkers)
    judge = bench(home, settings, toolchain, widest=True, spare=wanted.workers, checkers=checkers)
    try:
        if judge.engine.sandboxed:
            demand_layers(home.ces, judge.image)
        pool = Pool(
            engine=judge.engine,
            store=home.trees,
            revisions=ToldRevisions(home.trees),
            root=home.ces / "pool",
            suite=judge.suite,
            disk_mib=wanted.disk_mib,
            keep=wanted.keep,
            repeats=wanted.repeats,
            warmers=room.warmers,
            patience=_PATIENCE_SECONDS,
            release=judge.checkers.drop if judge.checkers is not None else lambda _tree: None,
        )
        pool.load()
    except (EnvironmentFault, OSError):
        judge.engine.close()
        raise
    quarantine = RelayQuarantine()
    worker = Worker(
        store=home.trees,
        engine=judge.engine,
        pool=pool,
        protected=settings.toolchain.protected,
        quarantine=quarantine,
    )

    def close() -> None:
        pool.close()
        judge.engine.close()

    return Bench(judge.engine.fingerprint, home.trees, worker, pool, quarantine, close)


@dataclass(frozen=True)
class _NodeHome(Home):
    """An actor's home, which shares the toolchain images of its machine."""

    shared: Path

    @property
    def images(self) -> Path:
        return self.shared


class _Nowhere:
    """The head's bases: it finds revisions, and judges above none."""

    def __init__(self, revisions: Revisions) -> None:
        self._revisions = revisions

    def find(self, revision: str) -> Found:
        return self._revisions.find(revision)

    def base_for(
        self,
        request: EvaluationRequest,
        stop: Stop | None = None,  # noqa: ARG002 - of the seam
    ) -> AbstractContextManager[WarmBuild]:
        raise InfrastructureError(f"{request.revision}: the head of a cluster judges nothing", "an actor does")


def _head_worker(home: Home, settings: Config, judge: Judging, revisions: Revisions, quarantine: Quarantine) -> Worker:
    return Worker(
        store=home.trees,
        engine=judge.engine,
        pool=_Nowhere(revisions),
        protected=settings.toolchain.protected,
        quarantine=quarantine,
    )
