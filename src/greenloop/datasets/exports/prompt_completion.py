"""Prompt and completion as plain texts, for models without a chat template.

The prompt is the system message, a blank line, the user's message and a line end; the completion is the reply.
"""

from greenloop.datasets.exports.messages import messages
from greenloop.datasets.exports.seam import Asked, Format, json_lines


def _write(asked: Asked) -> bytes:
    return json_lines(
        {"prompt": f"{system['content']}\n\n{user['content']}\n\n", "completion": assistant["content"]}
        for system, user, assistant in messages(asked)
    )


FORMAT = Format("prompt-completion", "JSON lines with the texts `prompt` and `completion`", "jsonl", _write)
