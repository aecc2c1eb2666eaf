"""Conversations as token ids, the same as serving evaluates, and labels on the reply alone."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenloop.records import InputError
from greenloop.training.conversations import Conversation

IGNORED = -100
"""The label of a token that the loss does not count (PyTorch's ``ignore_index``)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """One example: token ids, and labels of the same length: ``IGNORED``, or the id where the reply stands."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Examples that fit the window, and how many were dropped for which reason."""

    examples: tuple[Tokens, ...]
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The sum of every id and label, in order."""
        digest = hashlib.sha256()
        for one in self.examples:
            digest.update(repr((one.ids, one.labels)).encode())
        return digest.hexdigest()


class Encoder:
    """Makes ids of conversations with a model's own tokenizer and chat template.

    A server renders the prompt by the chat template, evaluates its ids, and then generates; so the prompt and the reply
    are tokenised apart, and no token spans both. Texts are cut with the tokenizer's special tokens recognised in the
    prompt, as llama.cpp does, and not in the reply, for a model that writes one ends its turn.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def prompt(self, messages: Conversation) -> list[int]:
        """Return the ids that a server evaluates for ``messages`` (the last one the user's)."""
        return list(self._tokenizer(self._rendered(messages, ask=True), add_special_tokens=False)["input_ids"])

    def example(self, conversation: Conversation) -> Tokens:
        """Return ids and labels: the reply and its end-of-turn token are labelled, nothing else.

        Raises ``InputError`` when the chat template changes a reply, or does not end it with a special token.
        """
        prompt = self.prompt(conversation[:-1])
        reply = self._reply(conversation)
        return Tokens((*prompt, *reply), (*[IGNORED] * len(prompt), *reply))

    def _reply(self, conversation: Conversation) -> list[int]:
        before, whole = self._rendered(conversation[:-1], ask=True), self._rendered(conversation, ask=False)
        content = conversation[-1].content
        if not whole.startswith(before + content):
            raise InputError(
                "the base's chat template changes what the assistant says, so a reply cannot be learnt as it is",
                "take a base whose template writes messages as they are",
            )
        after = self._tokenizer(whole[len(before) + len(content) :], add_special_tokens=False)["input_ids"]
        if not after or after[0] not in self._tokenizer.all_special_ids:
            raise InputError(
                "the base's chat template ends a reply with no special token, so the model would never stop",
                "take a base whose template has an end-of-turn token",
            )
        ids = self._tokenizer(content, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return [*ids, after[0]]

    def _rendered(self, messages: Conversation, *, ask: bool) -> str:
        turns = [{"role": said.role, "content": said.content} for said in messages]
        return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=ask))


def encode(tokenizer: Any, conversations: Iterable[Conversation], window: int) -> Encoded:
    """Return the examples of at most ``window`` tokens; longer ones are counted as dropped.

    Raises ``InputError`` when none is left.
    """
    encoder = Encoder(tokenizer)
    every = [encoder.example(one) for one in conversations]
    kept = tuple(one for one in every if len(one.ids) <= window)
    if not kept:
        shortest = min((len(one.ids) for one in every), default=0)
        raise InputError(
            f"all {len(every)} examples are longer than the window of {window} tokens (the shortest has {shortest})",
            "raise [prompt] window_tokens, or lower budget_tokens",
        )
    long = len(every) - len(kept)
    return Encoded(kept, {"longer than the window": long} if long else {})


def lengths(examples: Sequence[Tokens]) -> tuple[int, int]:
    """Return how many tokens there are, and how many of them are labelled."""
    return sum(len(one.ids) for one in examples), sum(label != IGNORED for one in examples for label in one.labels)
