"""The fake of the seam: a model that says what it was told to say, and remembers what it was asked."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from greenloop.models.seam import Message, Model, Reply, Request
from greenloop.records import InputError, ModelError
from greenloop.storage import named_io_errors

Script = Callable[[Request], Sequence[str]]


class ScriptedModel(Model):
    """Answers from a script, and keeps every request in ``requests``.

    ``script`` is either texts, used up one a reply in order, or a callable that gives the replies to a request:
    reply i of the n asked for is its text i, counted round when it gives fewer. Raises ``ModelError`` when
    the texts are used up or the callable gives none. ``likelihoods`` says how likely a reply is held to be; all alike
    unless it is given.
    """

    def __init__(
        self,
        script: Iterable[str] | Script,
        *,
        name: str = "scripted",
        likelihoods: Callable[[str], float] = lambda _reply: 0.0,
    ) -> None:
        self._script = script if callable(script) else None
        self._texts = iter(()) if callable(script) else iter(script)
        self._name = name
        self._likelihoods = likelihoods
        self.requests: list[Request] = []
        self.closed = False

    @property
    def name(self) -> str:
        return self._name

    def complete(self, request: Request) -> tuple[Reply, ...]:
        """Return the scripted replies; token counts are words, so that sums can be tested."""
        self.requests.append(request)
        if self._script is not None:
            given = self._script(request)
            texts = [given[i % len(given)] for i in range(request.n)] if given else []
        else:
            texts = [text for _, text in zip(range(request.n), self._texts, strict=False)]
        if len(texts) < request.n:
            raise ModelError(f"{self.name}: the script has no reply left", "add replies to the script")
        prompt_tokens = sum(len(message.content.split()) for message in request.messages)
        return tuple(Reply(text, "stop", prompt_tokens, len(text.split())) for text in texts)

    def log_likelihoods(self, messages: tuple[Message, ...], replies: Sequence[str]) -> tuple[float, ...]:  # noqa: ARG002
        """Return what ``likelihoods`` says of each reply."""
        return tuple(self._likelihoods(reply) for reply in replies)

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a script file: the replies to a request whose messages contain ``contains`` (all, if empty)."""

    replies: tuple[str, ...]
    contains: str = ""


def read_script(path: Path) -> Script:
    """Read a script file and return it as a callable: the first line that matches a request answers it.

    Each line of the file is a JSON object: ``{"replies": ["…", …]}``, with ``"contains": "…"`` when it is only for
    requests in whose messages that text occurs. Empty lines are skipped. Replies depend on the request alone, so
    a script can be asked in any order. Raises ``InputError`` that names the line.
    """
    with named_io_errors(path):
        if not path.is_file():
            raise InputError(f"{path}: no such script", 'give a JSONL file of {"replies": ["…"]} lines')
        content = path.read_bytes()
    lines = tuple(_read_line(path, number, line) for number, line in enumerate(content.splitlines(), 1) if line.strip())
    if not lines:
        raise InputError(f"{path}: the script is empty", 'give a JSONL file of {"replies": ["…"]} lines')

    def script(request: Request) -> Sequence[str]:
        asked = "\n".join(message.content for message in request.messages)
        return next((line.replies for line in lines if line.contains in asked), ())

    return script


def _read_line(path: Path, number: int, line: bytes) -> Line:
    way_out = 'each line is {"replies": ["…", …], "contains": "…"}, contains being optional'
    try:
        body = json.loads(line)
    except ValueError as error:
        raise InputError(f"{path}:{number}: not JSON: {error}", way_out) from error
    if not isinstance(body, dict) or not set(body) <= {"replies", "contains"}:
        raise InputError(f"{path}:{number}: not a line of a script", way_out)
    replies, contains = body.get("replies"), body.get("contains", "")
    if (
        not isinstance(replies, list)
        or not replies
        or not all(isinstance(reply, str) for reply in replies)
        or not isinstance(contains, str)
    ):
        raise InputError(f"{path}:{number}: replies must be a list of texts, contains a text", way_out)
    return Line(tuple(replies), contains)
