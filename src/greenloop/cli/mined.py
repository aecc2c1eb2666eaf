"""What every source of examples writes: the examples, a line each, and beside them what was left out and the counts."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from greenloop.mining.funnel import Funnel
from greenloop.mining.picture import funnel_svg
from greenloop.records import Example, Record
from greenloop.storage import replacing, write_atomically


def funnel_file(examples: Path) -> Path:
    """Return where the counts of a mining run lie: beside its examples."""
    return examples.with_suffix(".funnel.json")


def dropped_file(examples: Path) -> Path:
    """Return where that lies which became no example, one JSON object a line."""
    return examples.with_suffix(".dropped.jsonl")


def picture_file(examples: Path) -> Path:
    """Return where the picture of those counts lies."""
    return examples.with_suffix(".funnel.svg")


@dataclass(frozen=True)
class Written:
    """How many examples went into a file, by what they are."""

    count: int = 0
    categories: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)


@contextmanager
def noting(examples: Path) -> Iterator[Callable[[Record], None]]:
    """Give a function that writes one thing that was left out; the file appears whole at the end of the block."""
    with replacing(dropped_file(examples)) as file:

        def note(one: Record) -> None:
            file.write(f"{one.to_json()}\n".encode())

        yield note


def write_examples(target: Path, examples: Iterable[Example], funnel: Funnel) -> Written:
    """Write ``examples``, and the picture of ``funnel`` beside them; each file appears whole, or stays as it was."""
    held = tuple(examples)
    with replacing(target) as file:
        for one in held:
            file.write(f"{one.to_json()}\n".encode())
    write_atomically(picture_file(target), funnel_svg(funnel))
    return Written(len(held), Counter(one.category.value for one in held), Counter(one.origin.value for one in held))


def group(toolchain: str, fingerprint: str, categories: Counter[str], funnel: Funnel) -> dict[str, object]:
    """Return what is told of the examples of one toolchain: ``greenloop dataset`` reads the funnel."""
    return {
        "toolchain": toolchain,
        "fingerprint": fingerprint,
        "categories": dict(sorted(categories.items())),
        "funnel": json.loads(funnel.to_json()),
    }


def write_counts(target: Path, counts: dict[str, object]) -> None:
    """Write the counts that stand beside the examples."""
    write_atomically(target, (json.dumps(counts, sort_keys=True, indent=1) + "\n").encode())


def rows(funnel: Funnel) -> Iterator[tuple[str, str, str]]:
    """Yield the rules that dropped something, and what was left of each kind of thing, for a table."""
    for number, step in enumerate(funnel.steps):
        if step.dropped:
            yield f"  {step.name}", str(step.dropped), str(step.kept)
        if number + 1 == len(funnel.steps) or funnel.steps[number + 1].unit != step.unit:
            yield step.unit, "", str(step.kept)
