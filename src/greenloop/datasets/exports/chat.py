"""Chat: ``{"messages": [system, user, assistant]}`` a line, what OpenAI-compatible services and TRL's SFT train on."""

from greenloop.datasets.exports.messages import messages
from greenloop.datasets.exports.seam import Asked, Format, json_lines


def _write(asked: Asked) -> bytes:
    return json_lines({"messages": turns} for turns in messages(asked))


FORMAT = Format("chat", "JSON lines with `messages`: conversations to train on", "jsonl", _write)
