"""The seam that every language model fits: ``Model.complete`` takes a ``Request`` and gives n ``Reply`` values."""

from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from greenloop.records import InputError

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


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


class Model(Protocol):
    """A language model. Usable as a context manager that closes it; implementations subclass this."""

    @property
    def name(self) -> str:
        """What reports and stored suggestions call it."""
        ...

    def complete(self, request: Request) -> tuple[Reply, ...]:
        """Return exactly ``request.n`` replies. Raises ``ModelError`` when the model gives no usable answer."""
        ...

    def close(self) -> None:
        """Give back what the model holds; harmless when repeated."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
