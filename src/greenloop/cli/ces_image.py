"""``greenloop ces image``: toolchain images, root file systems with compilers other than this machine's own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.builds import images
from greenloop.builds.bootstrap import LIBRARIES, OCAML, SUITE, Archive, Bootstrap, Mmdebstrap, Say
from greenloop.cli.app import App
from greenloop.cli.console import err, out
from greenloop.cli.show import table
from greenloop.records import GreenloopError

app = typer.Typer(no_args_is_help=True, help="Toolchain images: compilers and libraries of another Debian release.")

_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY")
Name = Annotated[str, typer.Option("--name", help="What to call it; `[toolchain] image` in greenloop.toml names it.")]


@app.command()
def build(
    context: typer.Context,
    name: Name = images.DEFAULT_NAME,
    suite: Annotated[str, typer.Option(help="The Debian release.")] = SUITE,
    package: Annotated[list[str] | None, typer.Option("--package", "-p", help="A further Debian package.")] = None,
    ocaml: Annotated[
        bool, typer.Option("--ocaml/--no-ocaml", help="With OCaml, dune and the usual libraries, or without.")
    ] = True,
    mirror: Annotated[
        list[str] | None,
        typer.Option(help='A line for apt, "deb URL SUITE main" [default: what this machine\'s own apt uses].'),
    ] = None,
) -> None:
    """Make an image from Debian packages, one to three minutes; one of that name is replaced when it is complete."""
    bootstrap = Mmdebstrap(
        suite=suite,
        packages=(*((*OCAML, *LIBRARIES) if ocaml else ()), *(package or ())),
        mirrors=tuple(mirror or ()),
        environment={variable: os.environ[variable] for variable in _PROXIES if variable in os.environ},
    )
    _make(App.of(context), name, bootstrap)


@app.command("import")
def import_(
    context: typer.Context,
    archive: Annotated[Path, typer.Argument(help="A tar file that holds a root file system.")],
    name: Name = images.DEFAULT_NAME,
) -> None:
    """Make an image from a root file system that was made elsewhere, as where there is no network."""
    _make(App.of(context), name, Archive(archive))


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the images of this home."""
    folder = App.of(context).home.images
    rows = []
    for name in images.names(folder):
        try:
            image = images.open(folder, name)
        except GreenloopError as error:
            # a damaged one must not hide the others
            rows.append((name, "", f"[red]{escape(error.message)}[/]", ""))
            continue
        rows.append((name, f"{image.bytes / 2**20:.0f} MiB", image.contents(), image.id[:12]))
    if rows:
        table("", ("name", "disk", "holds", "id"), rows)
    else:
        out.print("No toolchain images. [bold]greenloop ces image build[/] makes one.")


@app.command()
def remove(context: typer.Context, name: Annotated[str, typer.Argument(help="The image's name.")]) -> None:
    """Remove an image that nothing uses."""
    images.remove(App.of(context).home.images, name)
    out.print(f"Removed the image {escape(name)}.")


def _make(here: App, name: str, bootstrap: Bootstrap) -> None:
    start = monotonic()
    with _steps(f"image {name}") as say:
        image = images.build(here.home.images, name, bootstrap=bootstrap, say=say)
    out.print(
        f"Made the image [bold]{escape(name)}[/]: {image.contents()}; {image.bytes / 2**20:.0f} MiB, "
        f"{monotonic() - start:.0f} s, id {image.id[:12]}."
    )
    out.print(f'To judge with it, write into greenloop.toml: [bold]\\[toolchain] image = "{escape(name)}"[/]')


@contextmanager
def _steps(title: str) -> Iterator[Say]:
    """Show on stderr what goes on; plain lines where there is no terminal."""
    if not err.is_terminal:
        yield lambda words: err.print(escape(f"{title}: {words}"))
        return
    with err.status(escape(title)) as status:
        yield lambda words: status.update(escape(f"{title}: {words}"))
