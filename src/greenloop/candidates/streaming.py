"""A model's replies as proposals while they come: its text piece by piece, each proposal as soon as it is complete."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from greenloop.candidates.sampling import Sampling, altered, is_copy, proposal_of
from greenloop.candidates.source import Proposal
from greenloop.models.altering import Altering
from greenloop.models.seam import Again, Delta, Halt, Message, Model, Request
from greenloop.prompts.question import Context


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of candidate ``candidate``; a ``thought`` is a reasoning model's."""

    candidate: int
    text: str
    thought: bool = False


@dataclass(frozen=True, slots=True)
class Complete:
    """Candidate ``candidate`` is complete."""

    candidate: int
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Switched:
    """The pieces of candidates that are not complete are void, and their numbers are not used again."""

    why: str


def streamed(
    model: Model,
    messages: Sequence[Message],
    context: Context,
    sampling: Sampling,
    stop: Halt,
    *,
    start: int = 0,
) -> Iterator[Piece | Complete | Switched]:
    """Ask ``model`` for the replies that ``sampling`` says, the greedy one first; candidates count from ``start``.

    A reply that changes nothing is followed by what the model says in its place, if it can (``models.altering``).
    Raises ``ModelError`` when no model gives a usable answer, ``Cancelled`` once ``stop`` is requested.
    """
    rounds = [(sampling.greedy, 0.0), (sampling.sampled, sampling.temperature)]
    for count, temperature in rounds:
        if not count:
            continue
        request = Request(
            tuple(messages), n=count, temperature=temperature, max_tokens=sampling.max_tokens, seed=sampling.seed
        )
        began = time.monotonic()
        # a model answers one request at a time: what is drawn anew waits for the others
        copies: list[tuple[int, int, Proposal]] = []
        for chunk in model.stream(request, stop):
            if isinstance(chunk, Again):
                # whoever shows the pieces must not mix two models' texts under one number
                start += count
                yield Switched(chunk.why)
            elif isinstance(chunk, Delta):
                yield Piece(start + chunk.index, chunk.text, chunk.thought)
            else:
                took = time.monotonic() - began
                proposal = proposal_of(model.name, chunk.reply, context, greedy=temperature == 0.0, seconds=took)
                if isinstance(model, Altering) and is_copy(proposal.edit):
                    copies.append((start + chunk.index, chunk.index, proposal))
                else:
                    yield Complete(start + chunk.index, proposal)
        for candidate, index, copy in copies:
            again = altered(model, request, index, copy, context, stop)
            if again is not copy:
                yield Piece(candidate, f"\n\n{again.reply}")
            yield Complete(candidate, again)
        start += count
