"""The seam that every language model fits: ``Model.complete`` takes a ``Request`` and gives n ``Reply`` values.

``Model.stream`` gives the same as it comes, and ends when it is asked to.

A model that takes tools may answer by asking for calls of them. Whoever asked makes the calls, and goes on with what
they came to: nothing here runs a tool, or knows what one is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from greenloop.records import InputError

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model is told of it. ``name`` has letters, digits, ``_`` and ``-`` only, 64 at most, as OpenAI's."""

    name: str
    help: str
    arguments: Mapping[str, Any]
    """A JSON schema of an object."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call that a model asks for. ``arguments`` is JSON as it wrote it: it may be none."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. An ``assistant`` may have asked for calls; a ``tool`` says what one came to.

    ``use`` is the ``ToolUse.id`` of the call that a ``tool`` answers.
    """

    role: Role
    content: str
    uses: tuple[ToolUse, ...] = ()
    use: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a model: ``n`` independent replies of at most ``max_tokens`` tokens each.

    Temperature 0 is greedy decoding; all n replies are then the same where the model is deterministic. ``seed``
    is that of the first reply; where a model can be seeded, reply i is drawn with ``seed + i``.
    """

    messages: tuple[Message, ...]
    n: int = 1
    temperature: float = 0.0
    max_tokens: int = 256
    seed: int = 0
    stop: tuple[str, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    """What the model may ask for calls of; one that takes no tools answers as if there were none."""

    def __post_init__(self) -> None:
        if not self.messages:
            raise InputError("a request to a model holds no message")
        if self.n < 1 or self.max_tokens < 1 or self.temperature < 0:
            raise InputError(
                f"a request to a model asks for n={self.n}, max_tokens={self.max_tokens}, "
                f"temperature={self.temperature}",
                "n and max_tokens are at least 1, temperature is at least 0",
            )


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, untouched. ``finish_reason`` is ``stop``, or ``length`` when ``max_tokens`` cut it off.

    Token counts are the model's own, 0 where it does not tell.
    """

    text: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    reply_tokens: int = 0
    thought: str = ""
    """What a reasoning model thought before it answered, where it was told apart from ``text``."""
    uses: tuple[ToolUse, ...] = ()
    """The calls that the model asks for; then ``text`` is no answer yet."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of reply ``index`` (from 0). ``thought``: it belongs to a reasoning model's hidden thoughts."""

    index: int
    text: str
    thought: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """Reply ``index`` is complete; its thoughts are in ``reply.thought`` and not in ``reply.text``."""

    index: int
    reply: Reply


@dataclass(frozen=True, slots=True)
class Again:
    """The pieces of replies that are not done are void: another model answers, which ``why`` explains."""

    why: str


Chunk = Delta | Done | Again


class Halt(Protocol):
    """Somebody may ask, from another thread, that the work ends; ``builds.stop.Stop`` is one.

    Models may not see ``builds``, hence the protocol.
    """

    def fileno(self) -> int:
        """A file descriptor that is readable from the request on."""
        ...

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        ...

    def check(self) -> None:
        """Raise ``Cancelled`` when somebody asked."""
        ...


class Model(Protocol):
    """A language model. Usable as a context manager that closes it; implementations subclass this."""

    @property
    def name(self) -> str:
        """What reports and stored suggestions call it."""
        ...

    @property
    def takes_tools(self) -> bool:
        """Whether it heeds ``Request.tools``, as far as is known by now."""
        return False

    def complete(self, request: Request) -> tuple[Reply, ...]:
        """Return exactly ``request.n`` replies. Raises ``ModelError`` when the model gives no usable answer."""
        ...

    def stream(self, request: Request, stop: Halt | None = None) -> Iterator[Chunk]:
        """Yield the pieces of the replies as they come, and each reply when it is complete: ``request.n`` of them.

        Closing the iterator, or requesting ``stop``, ends the model's work within 200 ms; the latter raises
        ``Cancelled``. Raises ``ModelError`` as ``complete`` does, also after pieces were given. A model that cannot
        stream gives each reply in one piece.
        """
        for index, reply in enumerate(self.complete(request)):
            if stop is not None:
                stop.check()
            yield Delta(index, reply.text)
            yield Done(index, reply)

    def close(self) -> None:
        """Give back what the model holds; harmless when repeated."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
