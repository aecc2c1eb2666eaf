"""The tests' server of domain tools, ``team``: one tool, which writes."""

from pathlib import Path

from mcp.server.mcpserver import MCPServer

server = MCPServer("team")


@server.tool()
def set_owner(path: str, owner: str) -> str:
    """Write down who owns a file."""
    with Path("OWNERS").open("a") as file:
        file.write(f"{path} {owner}\n")
    return f"{owner} owns {path}"


if __name__ == "__main__":
    server.run()
