"""The card as people read it: ``README.md``, whose head tells Hugging Face `datasets` which file is which part."""

import re
from collections.abc import Iterable, Mapping, Sequence

from greenloop.datasets.card import CARD_FILE, DROPPED_FILE, PACK_FILE, PICTURE_FILE, DatasetCard, MinedCounts
from greenloop.records import Origin

_MOST_AUTHORS = 10
_MARKS = re.compile(r"[\\`*\[\]<>&]")
"""What begins code, emphasis, a link, HTML or an entity."""


def readme(card: DatasetCard) -> str:
    """Return the card as Markdown."""
    sections = (_head(card), _facts(card), _contents(card), _left_out(card), _mined(card.mined), _files(card))
    return "\n".join(line for section in sections for line in section)


def _head(card: DatasetCard) -> list[str]:
    files = [
        line
        for part, count in card.parts.items()
        if count.examples
        for line in (f"      - split: {part}", f"        path: {part}.parquet")
    ]
    return ["---", "configs:", "  - config_name: default", "    data_files:", *files, "---", ""]


def _facts(card: DatasetCard) -> list[str]:
    parts = [[part, count.examples, count.authors] for part, count in card.parts.items()]
    own = "not counted" if card.own_left_out is None else str(card.own_left_out)
    return [
        f"# {_plain(card.name)}",
        "",
        f"{_of_whom(card.origins)} Verdicts of a build prove both ends. Made by Greenloop.",
        "",
        *_table(["part", "examples", "authors"], parts),
        "",
        f"- Version: `{card.dataset}`",
        f"- Split: {card.split}.",
        f"- Toolchains (fingerprints): {', '.join(map(_code, card.toolchains))}",
        f"- Suites: {', '.join(card.suites)}",
        f"- Software: {', '.join(f'{name} {version}' for name, version in sorted(card.software.items()))}",
        f"- Context in `messages`: at most {card.prompt_budget} tokens, estimated.",
        f"- Near-duplicates: Jaccard index of {card.near:g} or more, over runs of 5 tokens.",
        f"- Synthetic: {card.synthetic:.1%} of the examples.",
        f"- Greenloop's own suggestions that people accepted, left out when mining: {own}.",
        *(
            f"- Nothing here is in {_code(one.name)} ({_code(one.digest)}, {one.texts} texts), or nearly."
            for one in card.against
        ),
        "",
    ]


def _contents(card: DatasetCard) -> list[str]:
    measured = [[what, of.least, of.median, of.ninety, of.most] for what, of in card.lengths.items()]
    most = sorted(card.authors.items(), key=lambda entry: (-entry[1], entry[0]))
    authors: list[list[object]] = [[_code(author), count] for author, count in most[:_MOST_AUTHORS]]
    if len(most) > _MOST_AUTHORS:
        rest = most[_MOST_AUTHORS:]
        authors.append([f"{len(rest)} more", sum(count for _, count in rest)])
    return [
        "## Kinds of error",
        "",
        *_table(["category", "examples"], [[name, count] for name, count in sorted(card.categories.items())]),
        "",
        "## Where they come from",
        "",
        *_table(["origin", "examples"], [[name, count] for name, count in sorted(card.origins.items())]),
        "",
        *_table(["author", "examples"], authors),
        "",
        "## Lengths",
        "",
        *_table(["of", "least", "median", "90 %", "most"], measured),
        "",
        *_table(["style of the request", "examples"], [[name, count] for name, count in card.styles.items()]),
        "",
    ]


def _left_out(card: DatasetCard) -> list[str]:
    steps = [[_plain(step.unit), _plain(step.name), step.seen, step.dropped, step.kept] for step in card.funnel.steps]
    return [
        "## What was left out",
        "",
        f"![Each step from snapshots to examples: the table below says the same]({PICTURE_FILE})",
        "",
        *_table(["unit", "rule", "seen", "dropped", "kept"], steps),
        "",
    ]


def _mined(mined: MinedCounts) -> list[str]:
    """Say what mining counted beside the funnel; nothing where it counted nothing."""
    groups = {
        "trees judged": mined.trees,
        "stretches of history begun by": mined.cuts,
        "leaving out what an error did not ask for": mined.minimised,
        "words of a model": mined.words,
    }
    rows = [[what, name, count] for what, held in groups.items() for name, count in held.items()]
    return ["## How they were mined", "", *_table(["of", "what", "count"], rows), ""] if rows else []


def _files(card: DatasetCard) -> list[str]:
    return [
        "## Files",
        "",
        "`train`, `valid` and `test` `.jsonl`: one example a line, every field. `.parquet`: the same, flat, with",
        f"rendered `messages`. `{DROPPED_FILE}`: what was left out here, by id, rule and reason. `{PACK_FILE}`: a git",
        f"pack with the trees before and after each edit. `{CARD_FILE}`: this card for programs. `{PICTURE_FILE}`: the",
        "funnel.",
        "",
        *_table(["file", "SHA-256"], [[name, f"`{digest}`"] for name, digest in sorted(card.sha256.items())]),
        "",
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _line(text: str) -> str:
    """Names of people, files and rules in one line: nothing in them begins a page, a list or a head of its own."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _plain(text: str) -> str:
    return _MARKS.sub(r"\\\g<0>", _line(text))


def _code(text: str) -> str:
    # within quotes nothing but the quotes themselves and the border of a table is a mark
    return f"`{_line(text).replace('`', chr(39)) or '-'}`"


def _of_whom(origins: Mapping[str, int]) -> str:
    """Say in words what kinds of examples there are."""
    words = {
        Origin.EPISODE: "{} edits took a red tree to a green one, as people made them.",
        Origin.EARLIER: "{} go from an earlier red of such a run to its green.",
        Origin.SUBFIX: "{} mended the first error and left a later one.",
        Origin.SHRINKING: "{} mended a later error and left the first.",
        Origin.COMMIT: "{} are commits.",
        Origin.FEATURE: "{} are pieces of a larger change, green at both ends.",
        Origin.SYNTHETIC: "{} mend what Greenloop broke in a green tree: synthetic, no person's work.",
    }
    return " ".join(said.format(origins[origin]) for origin, said in words.items() if origins.get(origin))
