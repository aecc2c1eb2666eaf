"""What ``greenloop mine`` and ``split`` share about prompts: the wished distribution, a model's words, the counts."""

from collections.abc import Sequence

from greenloop.cli.config import Config, MiningSettings
from greenloop.cli.home import Home
from greenloop.mining.prompting.counts import beside_wishes
from greenloop.mining.prompting.distribution import Distribution, from_requests
from greenloop.records import Example


def wished(home: Home, settings: MiningSettings) -> Distribution:
    """Return the distribution of prompts: that of the logged requests where there are enough, else the settings'."""
    measured = from_requests(home.feedback.requests()) if settings.prompts.measure else None
    given = settings.prompts
    return measured or Distribution(tuple(given.lengths.items()), tuple(given.styles.items()))


def prompted(
    home: Home, settings: Config, examples: Sequence[Example]
) -> tuple[tuple[Example, ...], dict[str, object]]:
    """Return the examples with the prompts that they keep, and the counts of these."""
    distribution = wished(home, settings.mining)
    return tuple(examples), beside_wishes(examples, distribution)
