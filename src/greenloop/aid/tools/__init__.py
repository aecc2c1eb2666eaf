"""Domain tools: what a team adds once, as an MCP server or a Python entry point, people and models call everywhere.

Invariants: nothing of a tool runs in a workspace that is not trusted, nor before a person has looked at its command and
at what its server says of itself, and pinned both; what models are shown of a tool is what was pinned, never what its
server says now; a tool whose description changed is blocked until it was looked at again; a tool writes unless the
team's settings say otherwise, whatever its server claims; a call that may write is approved by the person, each one; a
result is data of bounded size. Servers start with the first call, and end with this process, however it ends.
Absent here: prompts, the protocol of editors, and what a model makes of a result.
"""
