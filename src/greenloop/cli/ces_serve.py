"""The body of ``greenloop ces serve``: the one place that imports the server."""

import logging
import signal
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from greenloop.ces.server import Address, Bounds, Door, TcpAddress, UnixAddress
from greenloop.ces.server import serve as run_server
from greenloop.ces.tokens import Tokens
from greenloop.cli.app import App
from greenloop.cli.ces_cluster import assemble_cluster
from greenloop.cli.ces_places import alone, announce, socket_path, tokens
from greenloop.cli.ces_service import Service, Sources, assemble
from greenloop.cli.config import Config
from greenloop.cli.console import out
from greenloop.cli.home import Home
from greenloop.records import InputError
from greenloop.workspace.vcs import detect

_log = logging.getLogger("greenloop.ces")
_BATCH_FACTOR = 32
_MIB = 1 << 20


@dataclass(frozen=True)
class Asked:
    """The options of the command."""

    repositories: tuple[str, ...]
    packs: tuple[str, ...]
    warm: tuple[str, ...]
    socket: Path | None
    listen: str | None
    token_file: Path | None
    workers: int | None
    no_sandbox: bool
    ray: str | None
    """The address of a Ray cluster, or ``local``."""


def serve(app: App, asked: Asked) -> None:
    """Serve until a signal ends it."""
    home = app.home
    given = Sources.parse(asked.repositories, asked.packs)
    root = next(iter(given.repositories.values()), Path())
    settings = _settings(app.settings(root), workers=asked.workers, no_sandbox=asked.no_sandbox)
    sources = _sources(given, settings)
    address = _address(home, settings, asked.socket, asked.listen)
    held = tokens(settings, asked.token_file) if isinstance(address, TcpAddress) else None
    if isinstance(address, TcpAddress) and held is None:
        raise InputError(
            "a TCP port without a token would let everybody run code here",
            f"--token-file FILE, or the environment variable {settings.ces.token_variable}",
        )
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    # a client that goes away must not end the service
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    if asked.no_sandbox:
        _log.warning("THE SANDBOX IS OFF: code under judgement runs with your rights; every evaluation says so")

    def started(where: Address) -> None:
        announce(home, str(where), dict(sources.repositories))
        out.print(f"ready at {where}")
        sys.stdout.flush()

    warm = [*settings.ces.warm, *asked.warm]
    with alone(home), _assemble(home, settings, sources, warm, asked.ray) as service:
        run_server(_door(home, settings, service, held), address, started=started)


def _assemble(
    home: Home, settings: Config, sources: Sources, warm: list[str], ray: str | None
) -> AbstractContextManager[Service]:
    if ray is None:
        return assemble(home, settings, sources, warm=warm)
    return assemble_cluster(home, settings, sources, address=ray, warm=warm)


def _door(home: Home, settings: Config, service: Service, held: Tokens | None) -> Door:
    return Door(
        backend=service.desk,
        shelf=service.ledger,
        import_pack=lambda path: service.revisions.take_pack(path, max_mib=settings.ces.pack_mib),
        scratch=home.ces / "packs",
        load=service.desk.load,
        tokens=held,
        bounds=Bounds(
            body_bytes=settings.ces.body_mib * _MIB,
            batch_bytes=_BATCH_FACTOR * settings.ces.body_mib * _MIB,
            pack_bytes=settings.ces.pack_mib * _MIB,
        ),
        about=service.about,
    )


def _settings(settings: Config, *, workers: int | None, no_sandbox: bool) -> Config:
    if not settings.sandbox.enabled and not no_sandbox:
        raise InputError(
            "greenloop.toml switches the sandbox off", "say so: --no-sandbox; or set sandbox.enabled = true"
        )
    sandbox = settings.sandbox.model_copy(update={"enabled": not no_sandbox})
    ces = settings.ces.model_copy(update={"workers": workers or settings.ces.workers})
    return settings.model_copy(update={"sandbox": sandbox, "ces": ces})


def _sources(given: Sources, settings: Config) -> Sources:
    """Return what is served: as given, else as set, else the repository at hand if there is one."""
    if given.repositories or given.packs:
        return given
    named = Sources.parse(settings.ces.repositories, settings.ces.packs)
    if named.repositories or named.packs:
        return named
    place = detect(Path())
    if place.vcs == "plain":
        raise InputError("there is no repository here to serve", "name one: --repository NAME=PATH")
    return Sources.parse([str(place.root)], ())


def _address(home: Home, settings: Config, socket: Path | None, listen: str | None) -> Address:
    if socket is not None and listen is not None:
        raise InputError("--socket and --listen exclude each other", "name one of them")
    if listen is not None or (socket is None and settings.ces.listen):
        return TcpAddress.parse(listen or settings.ces.listen)
    return UnixAddress(socket_path(home, settings) if socket is None else socket.absolute())
