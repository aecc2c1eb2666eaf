"""A model's descriptions and prompts in the place of the rules', where they pass every check."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from greenloop.builds.judge import Progress
from greenloop.mining.changed import changed_files
from greenloop.mining.prompting.checks import DESCRIPTION_CHECKS, PROMPT_CHECKS, Asked, Check
from greenloop.mining.prompting.distribution import Distribution
from greenloop.mining.prompting.evidence import Evidence, evidence
from greenloop.mining.prompting.few_shot import condensing_request, description_request, facts
from greenloop.mining.prompting.service import Service
from greenloop.models.seam import Request
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Question
from greenloop.records import Example
from greenloop.workspace.store import TreeStore

TRIES = 2
"""A refused answer is asked for once more, by another seed and not greedily."""
_SECOND_TEMPERATURE = 0.7
_BATCH = 64
"""Examples whose evidence is in memory at a time."""
_QUOTES = "\"'`“”"


@dataclass(frozen=True, slots=True)
class Rephrased:
    """The examples in their order, and what became of the model's words.

    ``descriptions`` and ``prompts`` count the texts that were taken, ``refused`` the answers by the rule against them:
    ``asked - failed`` is the sum of all three.
    """

    examples: tuple[Example, ...]
    descriptions: int
    prompts: int
    refused: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Said:
    example: Example
    described: bool
    condensed: bool
    refused: Counter[str]


def rephrase(
    examples: Sequence[Example],
    store: TreeStore,
    service: Service,
    distribution: Distribution,
    *,
    budget: int,
    tell: Progress | None = None,
) -> Rephrased:
    """Ask ``service`` for a description and a prompt of each example; what is not taken stays as the rules made it.

    ``budget`` is in tokens of the context that a model of the dataset sees: what stands there may be named. ``tell`` is
    called with (examples done, all). A service that fails costs no example. Raises ``InputError`` when a tree is
    missing, ``EnvironmentFault`` when the disk refuses to keep a reply.
    """
    done: list[_Said] = []
    left = iter(examples)
    with ThreadPoolExecutor(service.workers) as pool:
        while batch := list(islice(left, _BATCH)):
            # trees are read here alone, the threads only wait for answers
            held = [(one, _evidence(store, one, budget)) for one in batch]
            for said in pool.map(partial(_rephrased, service, distribution), held):
                done.append(said)
                if tell is not None:
                    tell(len(done), len(examples))
    refused: Counter[str] = Counter()
    for said in done:
        refused.update(said.refused)
    return Rephrased(
        tuple(said.example for said in done),
        sum(said.described for said in done),
        sum(said.condensed for said in done),
        dict(sorted(refused.items())),
    )


def _evidence(store: TreeStore, example: Example, budget: int) -> Evidence:
    files = changed_files(store.changes(example.base, example.target), store.read_blob)
    context = gather(store, Question(example.base, example.prompt, example.diagnostics), budget=budget)
    shown = ((piece.path, piece.text) for piece in context.pieces)
    return evidence(example.category, example.diagnostics, files, shown)


def _rephrased(service: Service, distribution: Distribution, held: tuple[Example, Evidence]) -> _Said:
    example, known = held
    refused: Counter[str] = Counter()
    asked = Asked(known)
    request = description_request(facts(example.diagnostics, example.edit))
    description = _checked(service, request, DESCRIPTION_CHECKS, asked, refused)
    form = distribution.wish(example.id)
    request = condensing_request(
        description or example.description, example.diagnostics, form, tuple(sorted(known.hidden))
    )
    prompt = _checked(service, request, PROMPT_CHECKS, replace(asked, form=form), refused)
    words = {"description": description or example.description, "prompt": prompt or example.prompt}
    return _Said(example.model_copy(update=words), description is not None, prompt is not None, refused)


def _checked(
    service: Service, request: Request, checks: Sequence[Check], asked: Asked, refused: Counter[str]
) -> str | None:
    """Return an answer that passes ``checks``, or ``None``; ``refused`` counts those that did not."""
    for tried in _tries(request):
        reply = service.reply(tried)
        if reply is None:
            return None
        text = _bare(reply.text)
        # what the limit of tokens cut off is too long, whatever is left of it
        against = "too long" if reply.finish_reason == "length" else None
        against = against or next((check.name for check in checks if check.fails(text, asked)), None)
        if against is None:
            return text
        refused[against] += 1
    return None


def _tries(request: Request) -> Iterator[Request]:
    yield request
    for seed in range(1, TRIES):
        yield replace(request, seed=seed, temperature=_SECOND_TEMPERATURE)


def _bare(text: str) -> str:
    """Models put quotes around what they were asked for, and print apostrophes as books do."""
    stripped = text.strip().replace("\u2019", "'")
    if len(stripped) > 1 and stripped[0] in _QUOTES and stripped[-1] in _QUOTES:
        stripped = stripped[1:-1].strip()
    return stripped
