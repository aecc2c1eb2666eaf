"""The card: what a dataset holds, where it came from and what was left out, for programs and for people."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from greenloop.mining.funnel import Funnel
from greenloop.records import Origin, Part, Record

CARD_FILE = "card.json"
README_FILE = "README.md"
PACK_FILE = "trees.pack"


class PartCount(Part):
    """How much one part of the split holds."""

    examples: int = Field(ge=0)
    authors: int = Field(ge=0)


class DatasetCard(Record):
    """Everything about a dataset but its examples. It names no clock and no machine: same input, same bytes."""

    name: str
    dataset: str
    """The dataset's version: 16 hexadecimal digits from the SHA-256 sums of its files."""
    parts: dict[str, PartCount]
    split: str
    """The split rule in one sentence."""
    categories: dict[str, int]
    """Examples by the class of their first error."""
    origins: dict[str, int] = Field(default_factory=dict)
    """Examples by where they come from; empty in a card that was written before this was counted."""
    toolchains: tuple[str, ...]
    """Fingerprints of the toolchains whose verdicts prove the examples."""
    suites: tuple[str, ...]
    prompt_budget: int
    """Tokens of context in the rendered ``messages``, by the estimate of ``prompts.tokens``."""
    funnel: Funnel
    """What every rule dropped, from snapshots to the examples here."""
    software: dict[str, str]
    """Versions of what wrote the files."""
    sha256: dict[str, str]
    """File → SHA-256 of its bytes, for every file but the card and its README."""


def dataset_version(sums: Mapping[str, str]) -> str:
    """Return the version of a dataset whose files have these SHA-256 sums."""
    listed = json.dumps(dict(sums), sort_keys=True)
    return hashlib.sha256(listed.encode()).hexdigest()[:16]


def readme(card: DatasetCard) -> str:
    """Return the card as Markdown; its head tells Hugging Face `datasets` which file is which part."""
    files = [
        line
        for part, count in card.parts.items()
        if count.examples
        for line in (f"      - split: {part}", f"        path: {part}.parquet")
    ]
    parts = [[part, count.examples, count.authors] for part, count in card.parts.items()]
    steps = [[step.unit, step.name, step.seen, step.dropped, step.kept] for step in card.funnel.steps]
    lines = [
        "---",
        "configs:",
        "  - config_name: default",
        "    data_files:",
        *files,
        "---",
        "",
        f"# {card.name}",
        "",
        f"{_of_whom(card.origins)}; verdicts of a build prove both ends.",
        "Made by Greenloop.",
        "",
        *_table(["part", "examples", "authors"], parts),
        "",
        f"- Version: `{card.dataset}`",
        f"- Split: {card.split}.",
        f"- Toolchains (fingerprints): {', '.join(f'`{one}`' for one in card.toolchains)}",
        f"- Suites: {', '.join(card.suites)}",
        f"- Software: {', '.join(f'{name} {version}' for name, version in sorted(card.software.items()))}",
        f"- Context in `messages`: at most {card.prompt_budget} tokens, estimated.",
        "",
        "## Kinds of error",
        "",
        *_table(["category", "examples"], [[name, count] for name, count in sorted(card.categories.items())]),
        "",
        "## What was left out",
        "",
        *_table(["unit", "rule", "seen", "dropped", "kept"], steps),
        "",
        "## Files",
        "",
        "`*.jsonl`: one example a line, every field. `*.parquet`: the same, flat, with rendered `messages`.",
        f"`{PACK_FILE}`: a git pack with the trees before and after each edit. `{CARD_FILE}`: this card for programs.",
        "",
        *_table(["file", "SHA-256"], [[name, f"`{digest}`"] for name, digest in sorted(card.sha256.items())]),
        "",
    ]
    return "\n".join(lines)


def _of_whom(origins: Mapping[str, int]) -> str:
    made = origins.get(Origin.SYNTHETIC, 0)
    if not made:
        return "Edits that took a red tree to a green one, as people made them"
    if made == sum(origins.values()):
        return "Edits that mend what Greenloop broke in a green tree: synthetic, no person's work"
    return f"Edits that took a red tree to a green one, but for {made} synthetic ones, as people made them"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"
