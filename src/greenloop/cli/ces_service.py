"""The code evaluation service put together: engine, pool, books and desk of one home, from settings and options."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from greenloop.builds.images import Image
from greenloop.builds.sandbox import self_test
from greenloop.builds.verdicts import VerdictStore
from greenloop.ces.backend import Backend, Load
from greenloop.ces.budget import Shares, share
from greenloop.ces.desk import Desk
from greenloop.ces.ledger import Ledger
from greenloop.ces.pool import Pool
from greenloop.ces.revisions import Revisions
from greenloop.ces.worker import Worker
from greenloop.cli.config import Config, ToolchainKind
from greenloop.cli.home import Home
from greenloop.cli.toolchains import Bench, bench, toolchain_name
from greenloop.records import InfrastructureError, InputError
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import read_revision

_log = logging.getLogger("greenloop.ces")
_PATIENCE_SECONDS = 10.0
"""Seconds that a thread waits for a base which the desk did not see coming; requests by revision wait before."""


@dataclass(frozen=True)
class Sources:
    """Where revisions come from: name → checkout or bare repository, name → tree pack."""

    repositories: Mapping[str, Path] = field(default_factory=dict)
    packs: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def parse(cls, repositories: Sequence[str], packs: Sequence[str]) -> "Sources":
        """Read ``NAME=PATH`` each; a repository's folder gives the name where none is given."""
        found: dict[str, Path] = {}
        for text in repositories:
            name, equals, path = text.partition("=")
            place = Path(path if equals else text).expanduser().absolute()
            named = name if equals else place.name.removesuffix(".git")
            if named in found:
                raise InputError(f"two repositories are called {named!r}", "name them apart: --repository NAME=PATH")
            if not place.is_dir():
                raise InputError(f"{place}: no such folder", "--repository NAME=PATH")
            found[named] = place
        files = {}
        for text in packs:
            name, equals, path = text.partition("=")
            if not equals:
                raise InputError(f"{text}: not NAME=FILE", "--pack NAME=FILE")
            files[name] = Path(path).expanduser().absolute()
        return cls(found, files)


class Front(Backend, Protocol):
    """A backend that says what it is busy with: ``ces.desk.Desk``, ``ces.cluster.backend.RayBackend``."""

    def load(self) -> Load:
        """Return what it is busy with."""
        ...


@dataclass(frozen=True)
class Service:
    """Everything but the door."""

    desk: Front
    pool: Pool | None
    """``None`` where the builds are held by the nodes of a cluster."""
    ledger: Ledger
    revisions: Revisions
    about: dict[str, object]
    """What ``/readyz`` tells beside; complete once the desk has started."""


@contextmanager
def assemble(
    home: Home, settings: Config, sources: Sources, *, warm: Sequence[str] = (), try_layers: bool = True
) -> Iterator[Service]:
    """Build the service of a home and take it apart in the end.

    The desk's start tries every layer of the sandbox (unless ``try_layers`` is false: a run of the command line that
    judges one edit notices a missing layer by itself), brings back warm builds and begins to warm ``warm``.
    Raises ``InputError`` and ``EnvironmentFault``.
    """
    wanted = settings.ces
    store = home.trees
    with ExitStack() as stack:
        judge = judge_of(home, settings, sources)
        stack.callback(judge.engine.close)
        ledger = Ledger(database(home, settings))
        stack.callback(ledger.close)
        revisions = Revisions(store, sources.repositories, packs=sources.packs, pack_mib=wanted.pack_mib)
        pool = Pool(
            engine=judge.engine,
            store=store,
            revisions=revisions,
            root=home.ces / "pool",
            suite=judge.suite,
            disk_mib=wanted.disk_mib,
            keep=wanted.keep,
            repeats=wanted.repeats,
            warmers=memory(settings).warmers,
            patience=_PATIENCE_SECONDS,
            release=judge.checkers.drop if judge.checkers is not None else lambda _tree: None,
        )
        stack.callback(pool.close)
        worker = Worker(
            store=store,
            engine=judge.engine,
            pool=pool,
            protected=settings.toolchain.protected,
            quarantine=ledger,
        )
        about: dict[str, object] = {
            "sandboxed": judge.engine.sandboxed,
            "repositories": list(revisions.names),
            "suite": judge.suite.value,
        }

        def ready() -> None:
            if judge.engine.sandboxed and try_layers:
                about["layers"] = demand_layers(home.ces, judge.image)
            for build in pool.load():
                _log.info("warm already: %s (%s)", build.revision, build.tree)
            for revision in warm:
                pool.warm_later(revision)

        desk = Desk(
            worker,
            ledger,
            pool,
            fingerprint=judge.engine.fingerprint,
            workers=wanted.workers,
            queue=wanted.queue,
            ready=ready,
            sandboxed=judge.engine.sandboxed,
        )
        yield Service(desk, pool, ledger, revisions, about)


def database(home: Home, settings: Config) -> str | Path:
    """Return where evaluations are kept: ``ces.database``, else a file of the home."""
    if settings.ces.database:
        return settings.ces.database
    home.ces.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home.ces / "ces.db"


def judge_of(home: Home, settings: Config, sources: Sources) -> Bench:
    """Build the judge of the service: for the toolchain that is set, else that of its first repository."""
    wanted = settings.ces
    if settings.toolchain.kind is ToolchainKind.AUTO and not sources.repositories:
        raise InputError(
            "without a repository to look at, the toolchain cannot be guessed",
            "name one with --repository NAME=PATH, or set toolchain.kind in greenloop.toml",
        )
    tree = home.trees.empty
    if settings.toolchain.kind is ToolchainKind.AUTO:
        tree = _any_tree(next(iter(sources.repositories.values())), home.trees)
    build = settings.build.model_copy(update={"workers": wanted.workers})
    verdicts = VerdictStore(wanted.database) if wanted.database else None
    return bench(
        home,
        settings.model_copy(update={"build": build}),
        toolchain_name(home, settings, tree),
        verdicts=verdicts,
        widest=True,
        spare=wanted.workers,
        checkers=min(wanted.checkers, memory(settings).checkers),
    )


def memory(settings: Config) -> Shares:
    """Return how many builds and checkers the memory of the settings has room for beside the workers."""
    machine = (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) >> 20
    return share(settings.ces.memory_mib or machine * 3 // 4, workers=settings.ces.workers)


def _any_tree(root: Path, store: TreeStore) -> str:
    return read_revision(root, head(root), store).tree


def head(root: Path) -> str:
    """Return the revision that is meant when none is named: git's ``HEAD``, Mercurial's ``tip``."""
    return "tip" if (root / ".hg").is_dir() else "HEAD"


def demand_layers(scratch: Path, image: Image | None) -> list[dict[str, object]]:
    """Try the sandbox's layers, with the image that it will show, and return what was found.

    Raises ``InfrastructureError`` where one is missing.
    """
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    layers = self_test(scratch, image.root if image is not None else None)
    missing = [layer for layer in layers if not layer.ok]
    if missing:
        named = "; ".join(f"{layer.name}: {layer.detail}" for layer in missing)
        ways = "; ".join(dict.fromkeys(layer.way_out for layer in missing if layer.way_out))
        raise InfrastructureError(
            f"the sandbox does not hold: {named}", f"{ways}; or --no-sandbox, for code that you trust"
        )
    return [{"name": layer.name, "ok": layer.ok, "detail": layer.detail} for layer in layers]
