"""The fake of the seam: a model that says what it was told to say, and remembers what it was asked."""

import json
import select
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from greenloop.models.seam import Chunk, Done, Halt, Message, Model, Reply, Request
from greenloop.models.thoughts import Gathering
from greenloop.records import Cancelled, InputError, ModelError
from greenloop.storage import named_io_errors

Said = str | Reply
"""What a script has a model say: a text, or a whole reply, with calls of tools that it asks for."""
Script = Callable[[Request], Sequence[Said]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How a reply is streamed: after ``first_seconds`` the first ``characters``, then more every ``delta_seconds``."""

    first_seconds: float = 0.0
    delta_seconds: float = 0.0
    characters: int = 16


class Paced(tuple[Said, ...]):
    """Replies of a script that come at a pace of their own."""

    pace: Pace

    def __new__(cls, replies: Iterable[Said], pace: Pace) -> "Paced":
        made = super().__new__(cls, replies)
        made.pace = pace
        return made


class ScriptedModel(Model):
    """Answers from a script, and keeps every request in ``requests``.

    ``script`` is either texts, used up one a reply in order, or a callable that gives the replies to a request:
    reply i of the n asked for is its text i, counted round when it gives fewer. Raises ``ModelError`` when
    the texts are used up or the callable gives none. ``pace`` is that of streams; ``cancelled`` counts the streams
    that were ended before their end. Thoughts in a text (``<think>``) are told apart in streams, as any model's are.
    With ``takes_tools`` it is offered tools; what it then does is its script's.
    ``likelihoods`` says how likely a reply is held to be; all alike unless it is given.
    """

    def __init__(
        self,
        script: Iterable[Said] | Script,
        *,
        name: str = "scripted",
        pace: Pace | None = None,
        takes_tools: bool = False,
        likelihoods: Callable[[str], float] = lambda _reply: 0.0,
    ) -> None:
        self._script = script if callable(script) else None
        self._texts = iter(()) if callable(script) else iter(script)
        self._name = name
        self._takes_tools = takes_tools
        self._pace = pace or Pace()
        self._lock = threading.Lock()
        self._likelihoods = likelihoods
        self.requests: list[Request] = []
        self.cancelled = 0
        self.closed = False

    @property
    def name(self) -> str:
        return self._name

    @property
    def takes_tools(self) -> bool:
        return self._takes_tools

    def complete(self, request: Request) -> tuple[Reply, ...]:
        """Return the scripted replies; token counts are words, so that sums can be tested."""
        return self._answer(request)[0]

    def stream(self, request: Request, stop: Halt | None = None) -> Iterator[Chunk]:
        """Yield the scripted replies one after another, at their pace."""
        replies, pace = self._answer(request)
        ended = False
        try:
            for index, reply in enumerate(replies):
                making = Gathering(index, self.name, max_bytes=1 << 30)
                _wait(pace.first_seconds, stop)
                for start in range(0, len(reply.text), pace.characters):
                    if start:
                        _wait(pace.delta_seconds, stop)
                    yield from making.add(reply.text[start : start + pace.characters])
                for chunk in making.finish(reply.finish_reason, reply.prompt_tokens, reply.reply_tokens):
                    yield (
                        replace(chunk, reply=replace(chunk.reply, uses=reply.uses))
                        if isinstance(chunk, Done)
                        else chunk
                    )
            ended = True
        finally:
            self.cancelled += not ended

    def _answer(self, request: Request) -> tuple[tuple[Reply, ...], Pace]:
        pace = self._pace
        with self._lock:
            self.requests.append(request)
            if self._script is not None:
                given = self._script(request)
                texts = [given[i % len(given)] for i in range(request.n)] if given else []
                pace = given.pace if isinstance(given, Paced) else pace
            else:
                texts = [text for _, text in zip(range(request.n), self._texts, strict=False)]
        if len(texts) < request.n:
            raise ModelError(f"{self.name}: the script has no reply left", "add replies to the script")
        prompt_tokens = sum(len(message.content.split()) for message in request.messages)
        replies = [text if isinstance(text, Reply) else Reply(text) for text in texts]
        return tuple(
            replace(one, prompt_tokens=prompt_tokens, reply_tokens=len(one.text.split())) for one in replies
        ), pace

    def log_likelihoods(self, messages: tuple[Message, ...], replies: Sequence[str]) -> tuple[float, ...]:  # noqa: ARG002
        """Return what ``likelihoods`` says of each reply."""
        return tuple(self._likelihoods(reply) for reply in replies)

    def close(self) -> None:
        self.closed = True


def _wait(seconds: float, stop: Halt | None) -> None:
    """Wait, unless ``stop`` is or gets requested: then raise ``Cancelled``."""
    waiting = select.poll()
    if stop is not None:
        waiting.register(stop.fileno(), select.POLLIN)
    if waiting.poll(max(0, int(seconds * 1000))):
        raise Cancelled("the request to the model was cancelled")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a script file: the replies to a request whose messages contain ``contains`` (all, if empty)."""

    replies: tuple[str, ...]
    contains: str = ""
    pace: Pace = field(default_factory=Pace)


def read_script(path: Path) -> Script:
    """Read a script file and return it as a callable: the first line that matches a request answers it.

    Each line of the file is a JSON object: ``{"replies": ["…", …]}``, with ``"contains": "…"`` when it is only for
    requests in whose messages that text occurs, and with ``"first_seconds": 0.5, "delta_seconds": 0.01`` when the
    replies are to be streamed so slowly. Empty lines are skipped. Replies depend on the request alone, so
    a script can be asked in any order. Raises ``InputError`` that names the line.
    """
    with named_io_errors(path):
        if not path.is_file():
            raise InputError(f"{path}: no such script", 'give a JSONL file of {"replies": ["…"]} lines')
        content = path.read_bytes()
    lines = tuple(_read_line(path, number, line) for number, line in enumerate(content.splitlines(), 1) if line.strip())
    if not lines:
        raise InputError(f"{path}: the script is empty", 'give a JSONL file of {"replies": ["…"]} lines')

    def script(request: Request) -> Sequence[Said]:
        asked = "\n".join(message.content for message in request.messages)
        found = next((line for line in lines if line.contains in asked), None)
        return Paced(found.replies, found.pace) if found is not None else ()

    return script


def _read_line(path: Path, number: int, line: bytes) -> Line:
    way_out = 'each line is {"replies": ["…", …], "contains": "…"}, contains being optional'
    try:
        body = json.loads(line)
    except ValueError as error:
        raise InputError(f"{path}:{number}: not JSON: {error}", way_out) from error
    if not isinstance(body, dict) or not set(body) <= {"replies", "contains", "first_seconds", "delta_seconds"}:
        raise InputError(f"{path}:{number}: not a line of a script", way_out)
    replies, contains = body.get("replies"), body.get("contains", "")
    seconds = [body.get(name, 0) for name in ("first_seconds", "delta_seconds")]
    if not all(isinstance(one, int | float) and one >= 0 for one in seconds):
        raise InputError(f"{path}:{number}: first_seconds and delta_seconds are numbers from 0", way_out)
    if (
        not isinstance(replies, list)
        or not replies
        or not all(isinstance(reply, str) for reply in replies)
        or not isinstance(contains, str)
    ):
        raise InputError(f"{path}:{number}: replies must be a list of texts, contains a text", way_out)
    return Line(tuple(replies), contains, Pace(float(seconds[0]), float(seconds[1])))
