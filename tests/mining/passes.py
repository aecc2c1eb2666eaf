"""One pass over recorded histories, with all that there is to ask of it afterwards, to be compared as a whole."""

from collections.abc import Iterable
from dataclasses import dataclass

from greenloop.builds.judge import Judge
from greenloop.mining.funnel import Funnel
from greenloop.mining.minimise.minimise import Minimised
from greenloop.mining.own import NOTHING, Accepted
from greenloop.mining.rules import Rules
from greenloop.mining.sources.episodes import EpisodeSource
from greenloop.mining.sources.seam import Tell
from greenloop.mining.trace import Trace
from greenloop.records import Episode, Example, Suite, Workspace
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True)
class Mined:
    """What a source of episodes yielded and counted."""

    examples: tuple[Example, ...]
    episodes: tuple[Episode, ...]
    funnel: Funnel
    trees: dict[str, int]
    cuts: dict[str, int]
    minimised: Minimised


def mine(
    snapshots: SnapshotStore,
    judge: Judge,
    store: TreeStore,
    *,
    rules: Rules | None = None,
    accepted: Accepted = NOTHING,
    workspaces: Iterable[Workspace] | None = None,
    workers: int = 1,
    trace: Trace | None = None,
    tell: Tell | None = None,
) -> Mined:
    """Mine with the suite of type checks."""
    source = EpisodeSource(
        snapshots, judge, store, Suite.CHECK,
        rules=rules, accepted=accepted, workspaces=workspaces, workers=workers, trace=trace,
    )  # fmt: skip
    examples = tuple(source.examples(tell))
    return Mined(examples, source.episodes, source.funnel(), source.trees, source.cuts, source.minimised)
