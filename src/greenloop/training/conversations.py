"""What is learnt from, as messages: the examples of a dataset, and files of more conversations."""

import json
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import cast

from greenloop.datasets.exports.messages import messages
from greenloop.datasets.exports.seam import Asked
from greenloop.datasets.load import Dataset, load
from greenloop.datasets.split import Split
from greenloop.datasets.tables import rendered
from greenloop.models.seam import Message, Role
from greenloop.records import Asking, Example, InputError
from greenloop.storage.lines import read_lines
from greenloop.training.sections import DataSection, PromptSection
from greenloop.workspace.store import TreeStore

Conversation = tuple[Message, ...]
"""Messages whose last one is the assistant's: the reply to learn."""


def open_dataset(data: DataSection) -> Dataset | None:
    """Return the recipe's dataset, or None where it names none. Raises ``InputError`` when its version is another."""
    if not data.dataset:
        return None
    found = load(Path(data.dataset))
    if data.version and data.version != found.version:
        raise InputError(
            f"{data.dataset}: this is version {found.version}, the recipe asks for {data.version}",
            "build that version again, or write the new one into [data] version",
        )
    return found


def conversations(dataset: Dataset | None, data: DataSection, prompt: PromptSection) -> tuple[Conversation, ...]:
    """Return what to learn from: the part of the dataset in its order, then the extra files in theirs.

    Raises ``InputError`` when there is nothing.
    """
    most = data.max_examples or None
    found = list(islice(of_part(dataset, data.part, prompt, data.takes), most)) if dataset is not None else []
    for path in data.extra:
        found += read_conversations(Path(path))
    if not found:
        place = f"the part {data.part} of {data.dataset}" if dataset is not None else ", ".join(data.extra)
        raise InputError(f"{place}: no example to learn from", "mine more, or choose another part")
    return tuple(found[:most])


def asked(dataset: Dataset, prompt: PromptSection) -> Asking:
    """Return how the recipe asks, its budget that of the dataset where the recipe has none."""
    return Asking(strategy=prompt.strategy, budget_tokens=prompt.budget_tokens or dataset.card.prompt_budget)


def of_part(
    dataset: Dataset, part: str, prompt: PromptSection, takes: Callable[[Example], bool] = lambda _example: True
) -> Iterator[Conversation]:
    """Yield the messages of one part, rendered as the recipe says, of the examples that are taken."""
    split = Split(part)
    asking = asked(dataset, prompt)
    if asking == Asking(budget_tokens=dataset.card.prompt_budget):
        for example, turns in zip(dataset.examples(split), messages(Asked(dataset, split)), strict=True):
            if takes(example):
                yield tuple(Message(cast(Role, turn["role"]), turn["content"]) for turn in turns)
        return
    with tempfile.TemporaryDirectory(prefix="greenloop-train-") as place:
        store = TreeStore(Path(place) / "trees")
        dataset.add_trees(store)
        for example in filter(takes, dataset.examples(split)):
            yield rendered(store, example, asking.budget_tokens, asking.strategy).messages
        store.close()


def read_conversations(path: Path) -> list[Conversation]:
    """Read JSON lines with ``messages``.

    Raises ``InputError`` that names file and line when one is no conversation that ends with the assistant's reply.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file", "check [data] extra in the recipe")
    lines = read_lines(path)
    if lines.torn is not None:
        raise InputError(f"{path}, line {lines.torn[0]}: cut short: it has no end", "write the file again")
    return [_conversation(path, number, text) for number, text in lines.whole]


def _conversation(path: Path, number: int, text: str) -> Conversation:
    where = f"{path}, line {number}"
    try:
        turns = json.loads(text)["messages"]
        found = tuple(Message(turn["role"], turn["content"]) for turn in turns)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{where}: no conversation: {error!r}", 'a line is {"messages": [...]}') from error
    if not all(isinstance(said.content, str) and said.role in ("system", "user", "assistant") for said in found):
        raise InputError(f"{where}: a message has a role (system, user, assistant) and a text", "mend the line")
    if len(found) < 2 or found[-1].role != "assistant" or found[0].role == "assistant":
        raise InputError(f"{where}: the conversation does not end with a reply to a prompt", "mend the line")
    return found
