"""Putting a streamed reply together: a reasoning model's hidden thoughts apart from its answer, both bounded.

Thoughts come in a field of their own (``reasoning_content``, ``reasoning``), or in the text: between ``<think>`` and
``</think>`` (also ``thinking`` and ``reasoning``) that begin the reply, or before the final channel of harmony.
A closing tag whose opening is part of the chat template can only be told at the end: what stands before it is then
taken out of the reply, though it was given as text. ``prompts.reply.strip_reasoning`` does the same for whole texts.
"""

import re
from collections.abc import Iterator

from greenloop.models.seam import Delta, Done, Reply
from greenloop.records import ModelError

_OPENINGS = {"<think>": "</think>", "<thinking>": "</thinking>", "<reasoning>": "</reasoning>"}
_CHANNEL = "<|channel|>"
_FINAL = "<|channel|>final<|message|>"
_ENDS = ("<|return|>", "<|end|>")
_ORPHAN = re.compile(r"^[ \t]*</(?:think|thinking|reasoning)>[ \t]*\n?", re.MULTILINE)
_BYTES_PER_TOKEN = 4
"""What a token of thoughts is taken to be, where a server does not count: English has about four letters a token."""


class Splitter:
    """Tells thoughts from text while a reply comes in pieces. A piece that could go either way waits for the next."""

    def __init__(self) -> None:
        self._held = ""
        self._closing = ""
        self._decided = False

    def feed(self, piece: str) -> Iterator[tuple[str, bool]]:
        """Yield (text, whether it is a thought), never empty texts."""
        self._held += piece
        while self._held:
            if self._closing:
                before, found, after = self._held.partition(self._closing)
                if not found:
                    sure = len(self._held) - _overlap(self._held, self._closing)
                    thought, self._held = self._held[:sure], self._held[sure:]
                    if thought:
                        yield thought, True
                    return
                # one block of thoughts may follow another; the final channel is the last
                self._decided = self._closing == _FINAL
                self._closing, self._held = "", after
                if before:
                    yield before, True
            elif self._decided:
                text, self._held = self._held, ""
                yield text, False
            elif not self._decide():
                return

    def finish(self) -> Iterator[tuple[str, bool]]:
        """Yield what was still waiting."""
        if self._held:
            yield self._held, bool(self._closing)
            self._held = ""

    def _decide(self) -> bool:
        """Look whether the reply goes on with thoughts; return whether that can be told."""
        start = self._held.lstrip()
        for opening, closing in {**_OPENINGS, _CHANNEL: _FINAL}.items():
            if start.startswith(opening) and not (opening == _CHANNEL and _could_be(start, _FINAL)):
                self._closing, self._held = closing, start.removeprefix(opening) if opening != _CHANNEL else start
                return True
        if start.startswith(_FINAL):
            self._held, self._decided = start.removeprefix(_FINAL), True
            return True
        if not start or any(_could_be(start, opening) for opening in (*_OPENINGS, _FINAL)):
            return False
        self._decided = True
        return True


def _could_be(start: str, whole: str) -> bool:
    """Whether ``start`` is a proper beginning of ``whole``."""
    return len(start) < len(whole) and whole.startswith(start)


def _overlap(text: str, mark: str) -> int:
    """Return how many last characters of ``text`` begin ``mark``."""
    return next((size for size in range(min(len(mark) - 1, len(text)), 0, -1) if text.endswith(mark[:size])), 0)


class Gathering:
    """One reply in the making. ``max_bytes`` bounds all of it, ``thought_tokens`` its thoughts (0: not)."""

    def __init__(self, index: int, who: str, *, max_bytes: int, thought_tokens: int = 0) -> None:
        self._index = index
        self._who = who
        self._max_bytes = max_bytes
        self._thought_bytes = thought_tokens * _BYTES_PER_TOKEN
        self._splitter = Splitter()
        self._text: list[str] = []
        self._thought: list[str] = []
        self._bytes = [0, 0]

    @property
    def thought_out(self) -> bool:
        """Whether it has thought for longer than it may, and said nothing yet."""
        return bool(self._thought_bytes) and self._bytes[1] > self._thought_bytes and not self._bytes[0]

    def add(self, text: str, thought: str = "") -> Iterator[Delta]:
        """Take in what came, and yield it told apart. Raises ``ModelError`` when the reply grows past its bound."""
        if thought:
            yield self._one(thought, thought=True)
        for piece, is_thought in self._splitter.feed(text):
            yield self._one(piece, thought=is_thought)

    def finish(self, reason: str, prompt_tokens: int = 0, reply_tokens: int = 0) -> Iterator[Delta | Done]:
        """Yield what was still undecided, then the reply."""
        for piece, is_thought in self._splitter.finish():
            yield self._one(piece, thought=is_thought)
        text, thought = "".join(self._text), "".join(self._thought)
        for mark in _ENDS:
            text = text.removesuffix(mark)
        orphans = list(_ORPHAN.finditer(text)) if not thought else []
        if orphans:
            thought, text = text[: orphans[-1].start()], text[orphans[-1].end() :]
        yield Done(self._index, Reply(text, reason, prompt_tokens, reply_tokens, thought))

    def _one(self, piece: str, *, thought: bool) -> Delta:
        self._bytes[thought] += len(piece.encode("utf-8", "replace"))
        if sum(self._bytes) > self._max_bytes:
            raise too_long(self._who, self._max_bytes)
        (self._thought if thought else self._text).append(piece)
        return Delta(self._index, piece, thought)


def too_long(who: str, max_bytes: int) -> ModelError:
    """The error of a model that does not stop."""
    return ModelError(
        f"{who}: the reply is longer than {max_bytes} bytes and was cut off",
        "does the model repeat itself? ask for fewer tokens, or raise model.max_reply_mib",
    )
