"""What editors are told of tools: the catalogue and results as messages of the protocol."""

from greenloop.aid.protocol.tools import ToolInfo, ToolResult, Tools
from greenloop.aid.tools.seam import Result
from greenloop.aid.tools.toolbox import Catalogue


def tools_of(catalogue: Catalogue) -> Tools:
    """Return the answer to ``tools/list``. A server of which nothing is known stands there by its own name, blocked."""
    found = [
        ToolInfo(
            name=tool.name,
            title=tool.described.title,
            help=tool.described.help,
            arguments=tool.described.arguments,
            writes=tool.writes,
            blocked=tool.blocked,
        )
        for tool in catalogue.tools
    ]
    missing = [
        ToolInfo(name=name, arguments={}, writes=True, blocked=why) for name, why in catalogue.unavailable.items()
    ]
    return Tools(tools=(*found, *missing))


def result_of(result: Result) -> ToolResult:
    """Return the answer to ``tools/call``."""
    note = f"\n[{result.cut} bytes more were left out]" if result.cut else ""
    return ToolResult(text=result.text + note, is_error=result.is_error)
