"""``greenloop ces``: the code evaluation service, and what belongs to it."""

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from greenloop.ces import policy
from greenloop.ces.client import Client
from greenloop.ces.ledger import Ledger
from greenloop.ces.revisions import is_name
from greenloop.cli import ces_image
from greenloop.cli.app import App
from greenloop.cli.ces_places import is_free, running, socket_path, tokens
from greenloop.cli.ces_service import Sources, assemble, database, head
from greenloop.cli.ces_show import show_builds, show_evaluation
from greenloop.cli.config import Config
from greenloop.cli.console import err, progress, tell
from greenloop.cli.home import Home
from greenloop.records import EnvironmentFault, Evaluation, EvaluationRequest, InputError, Status, Suite
from greenloop.workspace.vcs import detect, resolve_revision

app = typer.Typer(no_args_is_help=True, help="The code evaluation service: says whether a change is good code.")
app.add_typer(ces_image.app, name="image")

_HERE = "here"
"""What a repository is called whose folder's name is none."""
_UNKNOWN = 3
"""Exit status of a check that could not be made: a script must not take that for red."""

Server = Annotated[
    str | None, typer.Option("--server", help="A socket's path or a URL [default: the service of this home].")
]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="A file of tokens [default: ces.token_file].")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def serve(
    context: typer.Context,
    repository: Annotated[
        list[str] | None,
        typer.Option("--repository", "-r", help="NAME=PATH of a repository [default: ces.repositories, or this one]."),
    ] = None,
    pack: Annotated[list[str] | None, typer.Option("--pack", help="NAME=FILE of a tree pack.")] = None,
    warm: Annotated[list[str] | None, typer.Option("--warm", help="A revision to warm at once, NAME@REV.")] = None,
    socket: Annotated[Path | None, typer.Option("--socket", help="The Unix socket [default: in the home].")] = None,
    listen: Annotated[str | None, typer.Option("--listen", help="HOST:PORT, or PORT on the loopback.")] = None,
    token_file: TokenFile = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Edits judged at a time [default: ces.workers].")] = None,
    no_sandbox: Annotated[
        bool, typer.Option("--no-sandbox", help="Run code with your own rights: for code that you trust only.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option("--ray", help="Judge on the nodes of a Ray cluster: HOST:PORT of its head, or `local`."),
    ] = None,
) -> None:
    """Serve evaluations until SIGTERM or Ctrl-C.

    Refuses to start where a layer of the sandbox is missing. On a Unix socket nobody needs a token; a TCP port is
    never opened without one.
    """
    if find_spec("uvicorn") is None or find_spec("starlette") is None or find_spec("prometheus_client") is None:
        raise EnvironmentFault("the service's own packages are not installed", "pip install 'greenloop[ces]'")
    # the server's packages are an extra: every other command does without them
    from greenloop.cli import ces_serve

    asked = ces_serve.Asked(
        repositories=tuple(repository or ()),
        packs=tuple(pack or ()),
        warm=tuple(warm or ()),
        socket=socket,
        listen=listen,
        token_file=token_file,
        workers=workers,
        no_sandbox=no_sandbox,
        ray=ray,
    )
    ces_serve.serve(App.of(context), asked)


@app.command()
def check(
    context: typer.Context,
    revision: Annotated[
        str | None, typer.Option("--revision", "-R", help="What the diff is to [default: HEAD, Mercurial's tip].")
    ] = None,
    suite: Annotated[Suite, typer.Option(help="How far to judge.")] = Suite.TEST,
    repository: Annotated[Path, typer.Option("--repository", "-r", help="A folder of the repository.")] = Path(),
    allow: Annotated[
        list[str] | None, typer.Option("--allow", help="Glob of protected files that the diff may change.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Judge even what was judged before.")] = False,
    server: Annotated[
        str | None,
        typer.Option("--server", help="Ask this service, by socket or URL; REV is then NAME@REV of its own."),
    ] = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Judge the unified diff on standard input.

    The service of this home is asked where it serves the repository at hand; else the diff is judged here. Exit status
    0 when it is green, 1 when it is not, 2 when what was given is wrong, 3 when nothing is known: no service, a fault.
    """
    root_app = App.of(context)
    if sys.stdin.isatty():
        err.print("reading a diff from the terminal: end it with Ctrl-D")
    diff = _read_diff()

    def request(named: str | None) -> EvaluationRequest:
        if named is None:
            raise InputError("no revision is named", "--revision NAME@REV")
        return EvaluationRequest(revision=named, diff=diff, suite=suite, allowed=tuple(allow or ()), fresh=fresh)

    def judged() -> Evaluation:
        if server is not None:
            settings = root_app.settings(repository)
            with _client(root_app.home, settings, server, token_file) as client:
                return client.evaluate(request(revision))
        place = detect(repository)
        if place.vcs == "plain":
            raise InputError(f"{place.root}: no git or Mercurial repository", "name one: --repository PATH")
        settings = root_app.settings(place.root)
        commit = resolve_revision(place.root, revision or head(place.root))
        name = _served(root_app.home, place.root)
        if name is None:
            name = place.root.name if is_name(place.root.name) else _HERE
            return _judge_here(root_app.home, settings, Sources({name: place.root}), request(f"{name}@{commit}"))
        with _client(root_app.home, settings, None, token_file) as client:
            return client.evaluate(request(f"{name}@{commit}"))

    try:
        evaluation = judged()
    except EnvironmentFault as error:
        tell(error)
        raise typer.Exit(_UNKNOWN) from error
    if as_json:
        print(evaluation.to_json())
    else:
        show_evaluation(evaluation)
    if not evaluation.green:
        raise typer.Exit(_UNKNOWN if evaluation.status is Status.INFRA_ERROR else 1)


@app.command()
def builds(
    context: typer.Context, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """List the warm builds of a running service."""
    root_app = App.of(context)
    with _client(root_app.home, root_app.settings(Path()), server, token_file) as client:
        found = client.builds()
    if as_json:
        print(json.dumps([json.loads(build.to_json()) for build in found]))
    else:
        show_builds(found)


@app.command()
def warm(
    context: typer.Context,
    revision: Annotated[str, typer.Argument(help="NAME@REV, or REV where one repository is served.")],
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Have a running service make a warm build, in the background."""
    root_app = App.of(context)
    with _client(root_app.home, root_app.settings(Path()), server, token_file) as client:
        build = client.warm(revision)
    if as_json:
        print(build.to_json())
    else:
        show_builds([build])


@app.command()
def export(
    context: typer.Context,
    since: Annotated[int, typer.Option(min=0, help="Only what came after this `seq`.")] = 0,
) -> None:
    """Print every stored evaluation, a line of JSON each, in the order in which they were finished."""
    with _books(App.of(context)) as books:
        for line in books.export(since=since):
            print(line)


@app.command()
def rescore(
    context: typer.Context,
    types: Annotated[float, typer.Option(min=0.0, max=1.0, help="For what type-checks but is red.")] = 0.15,
    parses: Annotated[float, typer.Option(min=0.0, max=1.0, help="For what parses only.")] = 0.05,
    since: Annotated[int, typer.Option(min=0, help="Only what came after this `seq`.")] = 0,
) -> None:
    """Print a reward for every stored evaluation, a line of JSON each; nothing is judged, nothing is stored."""
    with _books(App.of(context)) as books:

        def reward(evaluation: Evaluation) -> float | None:
            return policy.reward(evaluation, types=types, parses=parses)

        for entry, score in books.rescore(reward, since=since):
            told = entry.evaluation
            print(json.dumps({"seq": entry.seq, "id": told.id, "status": told.status, "reward": score}))


def _client(home: Home, settings: Config, server: str | None, token_file: Path | None) -> Client:
    # a service that goes away in the middle is an error to tell, not a signal that ends us
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    target: str | Path = running(home).get("address", "") if server is None else server
    held = tokens(settings, token_file)
    return Client(target or f"unix:{socket_path(home, settings)}", token=held.first if held is not None else "")


def _served(home: Home, root: Path) -> str | None:
    """Return under which name the running service of this home serves a repository, or ``None``."""
    if is_free(home):
        return None
    served = json.loads(running(home).get("repositories", "{}"))
    return next((name for name, path in served.items() if Path(path).resolve() == root), None)


def _judge_here(home: Home, settings: Config, sources: Sources, request: EvaluationRequest) -> Evaluation:
    """Judge without a server; Ctrl-C kills the work."""
    one = settings.model_copy(update={"ces": settings.ces.model_copy(update={"workers": 1, "checkers": 0})})

    async def judge() -> Evaluation:
        await service.desk.start()
        try:
            return await service.desk.evaluate(request)
        finally:
            await service.desk.close()

    with (
        assemble(home, one, sources, try_layers=False) as service,
        progress("judging"),
    ):
        return asyncio.run(judge())


@contextmanager
def _books(root_app: App) -> Iterator[Ledger]:
    books = Ledger(database(root_app.home, root_app.settings(Path())))
    try:
        yield books
    finally:
        books.close()


def _read_diff() -> str:
    try:
        diff = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"the diff is not UTF-8 (byte {error.start})", "pipe a unified diff in") from error
    if not diff.strip():
        raise InputError("there is no diff on standard input", "git diff | greenloop ces check")
    return diff
