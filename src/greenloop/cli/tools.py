"""``greenloop tools``: the domain tools of a team, listed, looked at and called; no sidecar is needed."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from greenloop.aid.tools.pins import Changes, changes
from greenloop.aid.tools.seam import Ask
from greenloop.aid.tools.toolbox import Catalogue, Tool, Toolbox
from greenloop.cli.app import App
from greenloop.cli.console import err, out
from greenloop.cli.toolboxes import toolbox
from greenloop.records import InputError

app = typer.Typer(no_args_is_help=True, help="List, look at and call the domain tools of [tools.NAME].")

Folder = Annotated[Path, typer.Option("--in", help="The project, or a folder in it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("list")
def list_(
    context: typer.Context,
    server: Annotated[str, typer.Argument(help="A server of tools, to see the help and the arguments of each.")] = "",
    folder: Folder = Path(),
    as_json: AsJson = False,
) -> None:
    """List the tools that were looked at, and why of a server there is none. Starts nothing."""
    with toolbox(App.of(context), folder) as box:
        catalogue = box.listed()
    tools = [tool for tool in catalogue.tools if server in {"", tool.server}]
    if server and not tools and server not in catalogue.unavailable:
        raise InputError(f"there is no server of tools {server!r}", "name it in [tools.NAME] of greenloop.toml")
    if as_json:
        why = {name: why for name, why in catalogue.unavailable.items() if server in {"", name}}
        print(json.dumps({"tools": [_as_json(tool) for tool in tools], "unavailable": why}))
        return
    if server:
        for tool in tools:
            _show(tool)
    elif tools:
        width = max(len(tool.name) for tool in tools)
        for tool in tools:
            out.print(f"[bold]{escape(tool.name.ljust(width))}[/]  {_calls(tool):13}  [dim]{escape(_first(tool))}[/]")
    _show_unavailable(catalogue, server)


@app.command()
def call(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="SERVER.TOOL, as `greenloop tools list` has it.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE...", help="Its arguments; numbers, lists and the like as JSON."),
    ] = None,
    arguments: Annotated[str, typer.Option("--arguments", help="All arguments as one JSON object; - is stdin.")] = "",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Approve a call that may write, without being asked.")
    ] = False,
    folder: Folder = Path(),
    as_json: AsJson = False,
) -> None:
    """Call a tool, and print what it says. A tool that may write is approved first, each time.

    Exit status 1: the tool itself said that it failed.
    """

    def approve(ask: Ask) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            err.print(f"{escape(ask.tool)}: {escape(ask.why)}, and nobody can be asked: pass --yes")
            return False
        err.print(f"[bold]{escape(ask.tool)}[/] {escape(json.dumps(dict(ask.arguments), ensure_ascii=False))}")
        return typer.confirm(f"{ask.why[:1].upper()}{ask.why[1:]}. Call it?", err=True)

    with toolbox(App.of(context), folder) as box:
        given = {**_object(arguments), **_pairs(words or [], _schema(box, name))}
        result = box.call(name, given, approve)
    if as_json:
        print(json.dumps({"text": result.text, "is_error": result.is_error, "cut": result.cut}))
    else:
        out.print(escape(result.text))
        if result.cut:
            err.print(f"… and {result.cut} bytes more, left out: `result_kib` says how much is kept")
    if result.is_error:
        raise typer.Exit(1)


@app.command()
def pin(
    context: typer.Context,
    server: Annotated[str, typer.Argument(help="The server of tools, as greenloop.toml names it.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree without being asked.")] = False,
    folder: Folder = Path(),
    as_json: AsJson = False,
) -> None:
    """Look at a server of tools: how it is started, and what it says of each tool; agree, and they can be called.

    What was agreed to is kept by hash. A tool whose description changes, or a server whose settings do, is blocked
    until it is looked at again.
    """
    home = App.of(context)
    settings = home.settings(folder).tools.get(server)
    with toolbox(home, folder) as box:
        if settings is not None and not yes:
            err.print(f"[bold]{escape(server)}[/]: {escape(settings.launch)}")
            typer.confirm(f"This runs in {box.workspace} with your rights. Start it?", abort=True, err=True)
        now = box.look(server)
        found = changes(box.pinned(server), now)
        if not as_json:
            _show_changes(box.tools_of(server, now), found)
        if not yes:
            typer.confirm("May these be called, and shown to models, as they are?", abort=True, err=True)
        box.pin(server, now)
    if as_json:
        print(
            json.dumps({"server": server, "tools": {one.name: one.sha256 for one in now.tools}, **found.model_dump()})
        )
    else:
        out.print(f"Pinned [bold]{escape(server)}[/]: {len(now.tools)} tools.")


def _show_changes(tools: tuple[Tool, ...], found: Changes) -> None:
    marks = {**dict.fromkeys(found.new, "new"), **dict.fromkeys(found.changed, "changed")}
    for tool in tools:
        if mark := marks.get(tool.described.name):
            out.print(f"[bold yellow]{mark}[/]")
            _show(tool)
    if found.gone:
        out.print(f"[bold yellow]gone[/] {escape(', '.join(found.gone))}")
    if not (marks or found.gone):
        out.print("Nothing changed since it was looked at.")


def _show(tool: Tool) -> None:
    out.print(f"[bold]{escape(tool.name)}[/]  {_calls(tool)}  [dim]{tool.described.sha256[:12]}[/]")
    out.print(escape(tool.described.help or "(no help)"))
    properties = tool.described.arguments.get("properties", {})
    needed = tool.described.arguments.get("required", [])
    for argument, schema in properties.items() if isinstance(properties, dict) else ():
        kind = schema.get("type", "any") if isinstance(schema, dict) else "any"
        mark = "" if argument in needed else " (optional)"
        text = schema.get("description", "") if isinstance(schema, dict) else ""
        out.print(f"  {escape(str(argument))}: {escape(str(kind))}{mark} [dim]{escape(str(text))}[/]")
    out.print()


def _show_unavailable(catalogue: Catalogue, server: str) -> None:
    for name, why in catalogue.unavailable.items():
        if server in {"", name}:
            out.print(f"[yellow]{escape(name)}[/]: {escape(why)}")
    if not (catalogue.tools or catalogue.unavailable):
        out.print("No tools. A table [tools.NAME] of greenloop.toml adds a server of them: docs/tools.md", markup=False)


def _calls(tool: Tool) -> str:
    return "blocked" if tool.blocked else "with approval" if tool.writes else "freely"


def _first(tool: Tool) -> str:
    lines = (tool.described.title or tool.described.help).strip().splitlines()
    return lines[0][:100] if lines else ""


def _as_json(tool: Tool) -> dict[str, object]:
    return {"name": tool.name, "writes": tool.writes, "blocked": tool.blocked, "sha256": tool.described.sha256} | {
        key: value for key, value in tool.described.model_dump().items() if key != "name"
    }


def _schema(box: Toolbox, name: str) -> dict[str, Any]:
    found = next((tool for tool in box.listed().tools if tool.name == name), None)
    properties = {} if found is None else found.described.arguments.get("properties", {})
    return properties if isinstance(properties, dict) else {}


def _object(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        found = json.loads(sys.stdin.read() if text == "-" else text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--arguments: not JSON: {error}", 'write them like {"name": "value"}') from error
    if not isinstance(found, dict):
        raise InputError("--arguments: no JSON object", 'write them like {"name": "value"}')
    return found


def _pairs(words: list[str], schema: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise InputError(f"{word!r} is no argument", "write NAME=VALUE")
        given[name] = _value(text, schema.get(name))
    return given


def _value(text: str, schema: object) -> object:
    """Read a value as its schema has it: a text as it stands, anything else as JSON."""
    if isinstance(schema, dict) and schema.get("type") == "string":
        return text
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found
