"""What the fleet asks of its nodes, and what it counts."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Terms:
    """What the fleet asks of its nodes."""

    folder: Path
    """On every node, where its actor keeps its folder: nothing but actors of this service may use it."""
    slots: int = 2
    """Requests that one actor judges at a time; no more than its node has processors."""
    queue: int = 16
    """Requests that may wait for one actor."""
    patience: float = 60.0
    """Seconds to wait for an actor where none lives, before that is a fault of the machine."""


@dataclass
class Tally:
    """What happened so far; only ever grows."""

    judged: int = 0
    """Answers that reached the head."""
    lost: int = 0
    """Judgements begun and lost with their actor; each was begun again elsewhere, or given up."""
    deaths: int = 0
    """Actors that died or could not be reached."""
    spilled: int = 0
    """Requests that went to their second choice."""
    shipped: int = 0
    """Packs of trees sent to nodes."""
