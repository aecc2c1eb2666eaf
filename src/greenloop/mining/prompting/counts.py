"""What prompts look like in numbers, beside what was wished for."""

from collections import Counter
from collections.abc import Iterable, Sequence

from greenloop.mining.prompting.distribution import Distribution
from greenloop.mining.prompting.form import Length, Style, length_of, style_of
from greenloop.records import Example

LONGER = "longer"
"""What is longer than the longest bucket is counted as this."""


def forms(prompts: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return ``lengths`` and ``styles``, each name → how many prompts."""
    texts = tuple(prompts)
    lengths = Counter(length.value if (length := length_of(text)) else LONGER for text in texts)
    styles = Counter(style_of(text).value for text in texts)
    return {
        "lengths": {name: lengths[name] for name in (*Length, LONGER) if name in lengths},
        "styles": {name: styles[name] for name in Style if name in styles},
    }


def beside_wishes(examples: Sequence[Example], distribution: Distribution) -> dict[str, object]:
    """Return the forms of the prompts, those that were drawn for them, and how many could not have theirs."""
    wishes = [(one.prompt, distribution.wish(one.id)) for one in examples]
    lengths = Counter(wish.length for _, wish in wishes)
    styles = Counter(wish.style for _, wish in wishes)
    return {
        "distribution": distribution.source,
        "examples": len(examples),
        **forms(one.prompt for one in examples),
        "wished": {
            "lengths": {name.value: lengths[name] for name in Length if name in lengths},
            "styles": {name.value: styles[name] for name in Style if name in styles},
        },
        "not_supplied": {
            "length": sum(length_of(prompt) is not wish.length for prompt, wish in wishes),
            "style": sum(style_of(prompt) is not wish.style for prompt, wish in wishes),
        },
    }
