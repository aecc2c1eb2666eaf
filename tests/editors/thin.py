"""What makes a layer thin, asked of each editor's in the same way: its size, and what it leaves to the sidecar."""

import re
from collections.abc import Iterable
from pathlib import Path

MOST_LINES = 1500
LOGIC = (
    r"\bfetch\(|node:https?|XMLHttpRequest|\bcurl\b|url-retrieve|open-network-stream",
    r"vim\.net|new_tcp|sockconnect",
    r"gpt|claude|llama|qwen|mistral|gemini",
    r"SEARCH/REPLACE|you are an?\b|system prompt|\btemperature\b|max_tokens",
    r"vim\.diff\(|vim\.text\.diff|\bdiff3\b",
    r"ocamlc|dune build|cargo|errorformat|compilation-error-regexp|File \\?\"",
    r"eval\(",
)
"""Patterns of requests to the network (two), models, prompts, matching of texts, and the reading of a build."""


def lines(files: Iterable[Path]) -> int:
    """Return how many lines a layer has: of files that people write, comments and empty lines included."""
    return sum(len(file.read_text().splitlines()) for file in files)


def logic(files: Iterable[Path]) -> list[str]:
    """Return the lines that do what the sidecar is to do."""
    said = [(file.name, line) for file in files for line in file.read_text().splitlines()]
    return [f"{name}: {line}" for name, line in said if re.search("|".join(LOGIC), line, re.IGNORECASE)]
