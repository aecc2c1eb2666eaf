"""What a server answers becomes text of bounded size: what is no text is named, never decoded."""

import json

import mcp_types

from greenloop.aid.tools.seam import Result


def read_result(answer: mcp_types.CallToolResult, limit: int) -> Result:
    """Return an answer as text of at most ``limit`` bytes of UTF-8."""
    parts = [_text(block) for block in answer.content]
    if not parts and answer.structured_content is not None:
        parts = [json.dumps(answer.structured_content, ensure_ascii=False)]
    text, cut = clipped("\n".join(parts), limit)
    return Result(text, bool(answer.is_error), cut)


def clipped(text: str, limit: int) -> tuple[str, int]:
    """Return the first ``limit`` bytes of a text, whole characters, and how many bytes are missing."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return raw.decode("utf-8"), 0
    kept = raw[:limit].decode("utf-8", "ignore")
    return kept, len(raw) - len(kept.encode())


def _text(block: mcp_types.ContentBlock) -> str:
    if isinstance(block, mcp_types.TextContent):
        return block.text
    if isinstance(block, mcp_types.ImageContent | mcp_types.AudioContent):
        return f"[{block.type}, {block.mime_type}, {len(block.data)} characters of base64, not shown]"
    if isinstance(block, mcp_types.ResourceLink):
        return f"[link to {block.uri}]"
    resource = block.resource
    if isinstance(resource, mcp_types.TextResourceContents):
        return resource.text
    return f"[{resource.uri}, {resource.mime_type or 'bytes'}, not shown]"
