"""What a client asks for: the body of a chat completion, of which most is for models and is not looked at."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request

from greenloop.aid.openai_door.errors import NO_WORKSPACE, UNKNOWN_MODEL, invalid
from greenloop.aid.openai_door.guard import drain
from greenloop.aid.protocol.faults import Code
from greenloop.records import Cancelled, InputError, Refused

WORKSPACE_HEADER = "x-greenloop-workspace"
MODEL = "greenloop"
_SILENCE_SECONDS = 20.0


class Part(BaseModel):
    """A piece of a message."""

    type: str
    text: str = ""


class ChatMessage(BaseModel):
    """One message; what else it has is not looked at."""

    role: str
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """Its words. Raises ``InputError`` where it holds what is no text."""
        if isinstance(self.content, str):
            return self.content
        parts = self.content or []
        for part in parts:
            if part.type != "text":
                raise InputError(f"a message holds {part.type!r}, which cannot be read here", "send text alone")
        return "\n".join(part.text for part in parts)


class ChatRequest(BaseModel):
    """The body. Fields that are not listed (temperature, tools, ...) are for models, and have no meaning here."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = None
    n: Literal[1] | None = None


@dataclass(frozen=True)
class Asked:
    """A request as it is answered. ``said`` is what was said before, (role, words), without a client's own prompts."""

    model: str
    path: str
    prompt: str
    said: tuple[tuple[str, str], ...]
    stream: bool


async def body_of(request: Request, largest: int) -> bytes:
    """Return the whole body.

    Raises ``Refused`` for one of more than ``largest`` bytes, or that stops coming; ``Cancelled`` when the client goes.
    """
    announced = request.headers.get("content-length", "")
    held = bytearray()
    more = True
    while more:
        if len(held) > largest or (announced.isdigit() and int(announced) > largest):
            await drain(request.receive)
            raise Refused(Code.TOO_LARGE, f"the body is larger than {largest} bytes", "send less")
        try:
            message = await asyncio.wait_for(request.receive(), _SILENCE_SECONDS)
        except TimeoutError as error:
            raise Refused(Code.HALF, f"nothing came for {_SILENCE_SECONDS:g} s in the middle of the body") from error
        if message["type"] == "http.disconnect":
            raise Cancelled("the client went away before its request was complete")
        held += message.get("body", b"")
        more = message.get("more_body", False) or len(held) > largest
    return bytes(held)


def asked(body: bytes, header: str | None) -> Asked:
    """Return what a body asks for, in the workspace that the model's name or ``header`` names.

    Raises ``InputError`` for a body that is none, ``Refused`` for another model, or without a workspace.
    """
    try:
        read = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from error
    last = max((index for index, one in enumerate(read.messages) if one.role == "user"), default=None)
    if last is None:
        raise InputError("messages: none of them is the user's", "the last one with the role `user` is the request")
    prompt = read.messages[last].text
    if not prompt.strip():
        raise InputError("messages: the last one of the user is empty", "say what should change")
    said = tuple((one.role, one.text) for one in read.messages[:last] if one.role in {"user", "assistant"})
    return Asked(read.model, _workspace(read.model, header), prompt, said, bool(read.stream))


def _workspace(model: str, header: str | None) -> str:
    name, _, path = model.partition(":")
    if name != MODEL:
        raise Refused(UNKNOWN_MODEL, f"{model!r}: no such model here", f"`{MODEL}`, or `{MODEL}:PATH`")
    # Starlette reads headers as Latin-1, and clients write paths in UTF-8
    named = (header or "").encode("latin-1").decode("utf-8", "replace")
    if path and named and path != named:
        raise InputError("the model and the header name two workspaces", "name one")
    if not (path or named):
        raise Refused(
            NO_WORKSPACE,
            "no workspace is named",
            f"model `{MODEL}:/PATH`, or the header `X-Greenloop-Workspace: /PATH`",
        )
    return path or named
