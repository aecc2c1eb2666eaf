"""An episode: a run of trees in one workspace that ends green."""

from enum import StrEnum

from greenloop.records.base import Record
from greenloop.records.tree import TreeId


class EpisodeKind(StrEnum):
    """Where the run started."""

    RED_GREEN = "red_green"
    GREEN_RED_GREEN = "green_red_green"


class Episode(Record):
    """green → red₁ … redₙ → green, or red₁ … redₙ → green. Trees are distinct neighbours."""

    workspace: str
    kind: EpisodeKind
    first_seq: int
    last_seq: int
    start: float
    end: float
    before: TreeId | None
    """The green tree before the reds, if there was one."""
    reds: tuple[TreeId, ...]
    green: TreeId
