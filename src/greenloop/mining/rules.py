"""What mining may be told; the rules stand in ``nominate``, ``states``, ``episodes``, ``filters`` and ``commits``."""

from dataclasses import dataclass, field

from greenloop.mining.prompting.distribution import Distribution


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of the cleaning rules. Defaults are those of the project's measurements."""

    idle_minutes: float = 45.0
    """Minutes between two snapshots after which a new line of work begins; no pair reaches across."""
    max_files_per_tick: int = 50
    """A tick that changes more files than this is a checkout or a generator, and cuts."""
    stable_seconds: float = 20.0
    """Seconds for which a red state must stand before it counts, unless a build was asked for."""
    max_changed_lines: int = 100
    """Changed lines of the largest edit that becomes an example."""
    max_step_lines: int = 5
    """The same for what is no whole fix: an earlier red of a run, or a step that leaves the file red."""
    max_commit_files: int = 500
    """A commit that changes more files than this is an import or a move of everything, and is no example."""
    max_commit_lines: int = 5_000
    """The same for changed lines: splitting costs builds by the number of pieces, fifty of a hundred lines here."""
    confirmations: int = 3
    """How often both ends of an example are judged; it is none when the judgements differ."""
    minimise_builds: int = 64
    """Builds of one example at most to find what its error asked for; 0: a fix stays as the person made it."""
    prompts: Distribution = field(default_factory=Distribution)
    """How long prompts are, and in which style."""
