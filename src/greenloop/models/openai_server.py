"""Any server that speaks OpenAI's chat completions over HTTP: vLLM, llama.cpp, Ollama, a gateway, OpenAI itself.

The ``openai`` client does the transport, the time limits and the retries (connection lost, 408, 409, 429, 5xx); what
comes back is checked here by hand, because servers that only resemble OpenAI's answer with almost anything.

Streams are ``openai_stream``'s.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import openai

from greenloop.models.openai_stream import CUT, HTTP_ERROR, HTTP_TIMEOUT, Bounds, NoStreamError, Streams, Whole
from greenloop.models.seam import Chunk, Delta, Done, Halt, Model, Reply, Request
from greenloop.models.thoughts import too_long
from greenloop.models.tool_calls import chat_message, chat_tools, read_uses
from greenloop.records import InputError, ModelError

DEFAULT_TIMEOUT_SECONDS = 120.0
DEFAULT_RETRIES = 2
_SHOWN_CHARACTERS = 300
# what a server may not take, and what is sent in its place; ``n`` is then asked for one by one
_REPLACED = {
    "n": None,
    "seed": None,
    "stop": None,
    "stream_options": None,
    "tools": None,
    "max_tokens": "max_completion_tokens",
}

_NO_TOOLS = re.compile(
    r"(not |n't |un)support\w*\b.*\btools?\b|\btools?\b.*(not support|n't support|unsupported|not enabled)"
    r"|\btools?[ _-](choice|param)\w* requires\b",
    re.IGNORECASE | re.DOTALL,
)
"""How servers say that they, or a model of theirs, take no tools: each in words of its own."""

_KEY_REFUSED = "check the API key, and that it may use this model"
_SERVER_FAILED = "the server failed: look at its log, and try again"
_WAYS_OUT = {
    401: _KEY_REFUSED,
    403: _KEY_REFUSED,
    404: "check the address (does it end in /v1?) and the model's name",
    429: "the server's limit is reached: wait, or ask for less at once",
}


class OpenAIModel(Model):
    """``model`` as served at ``base_url`` (such as ``http://127.0.0.1:8000/v1``).

    ``timeout`` is in seconds, for connecting and for each wait for more bytes; ``retries`` are further attempts after
    the first, with growing pauses, or the one that the server asks for. ``bounds`` are those of streams; how large an
    answer may be, and for how long a model may think, holds for whole ones, too. Without a key none is sent that means
    anything. Replies of a server are as repeatable as the server. Raises ``InputError`` when
    ``base_url`` is no HTTP address.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str = "",
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        retries: int = DEFAULT_RETRIES,
        bounds: Bounds | None = None,
    ) -> None:
        bounds = bounds or Bounds()
        address = urlsplit(base_url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise InputError(f"{base_url!r} is no HTTP address", "write it like http://127.0.0.1:8000/v1")
        self._model = model
        self._secrets = tuple(secret for secret in (api_key, address.password or "") if secret)
        self._where = f"{model} at {address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
        self._refused: set[str] = set()
        # what is given is not looked for in the environment; an organisation would be sent to any server
        self._client = openai.OpenAI(
            base_url=base_url, api_key=api_key or "none", timeout=timeout, max_retries=retries,
            organization="", project="", admin_api_key="", webhook_secret="",
        )  # fmt: skip
        self._client.organization = self._client.project = None
        self._timeout = timeout
        self._retries = retries
        self._thought_tokens = bounds.thought_tokens
        self._max_bytes = bounds.max_bytes
        self._streams = Streams(
            base_url, api_key or "none", bounds, retries=retries, connect_seconds=timeout, who=self._where
        )

    @property
    def name(self) -> str:
        return f"openai:{self._model}"

    @property
    def takes_tools(self) -> bool:
        """Whether the server has not refused them; one that refuses is asked again without."""
        return "tools" not in self._refused

    def complete(self, request: Request) -> tuple[Reply, ...]:
        """Return ``request.n`` replies: from one call where the server gives them, else by a call for each.

        A server that refuses ``n``, ``seed``, ``stop`` or ``max_tokens`` by name is asked again without it. A reply
        without text is a reply: ``prompts.read_reply`` refuses it. Raises ``ModelError`` when the server cannot be
        reached, is too slow, refuses, breaks off, answers what is no chat completion, or more than it may.
        """
        replies = self._ask(request, request.n, request.seed)
        while len(replies) < request.n:
            replies += self._ask(request, 1, request.seed + len(replies))
        return tuple(replies[: request.n])

    def stream(self, request: Request, stop: Halt | None = None) -> Iterator[Chunk]:
        """See ``Model.stream``: cancelling closes the connection, by which a server knows that nobody listens.

        What ``complete`` says of servers that refuse options, or that give fewer replies, holds here too. A server that
        does not stream gives whole replies. Raises ``ModelError`` also when the answer is cut off, does not come in
        time, or does not end.
        """
        done = 0
        while done < request.n:
            before = done
            for chunk in self._streamed(request, request.n if not done else 1, request.seed + done, stop):
                if isinstance(chunk, Delta | Done):
                    yield replace(chunk, index=chunk.index + before)
                if isinstance(chunk, Done):
                    done += 1
                    if done == request.n:
                        return

    def close(self) -> None:
        self._client.close()
        self._streams.close()

    def _streamed(self, request: Request, n: int, seed: int, stop: Halt | None) -> Iterator[Chunk]:
        options = {**self._options(request, n, seed), "stream_options": {"include_usage": True}}
        while True:
            sent = self._taken(options)
            try:
                yield from self._streams.run(self._body(request, sent), stop)
            except NoStreamError as whole:
                for index, reply in enumerate(self._read(whole.content)):
                    yield Delta(index, reply.text)
                    yield Done(index, reply)
            except openai.BadRequestError as error:
                refused = self._named_option(str(error), sent)
                if refused is None:
                    raise self._fault(error) from error
                self._refused.add(refused)
                continue
            except openai.OpenAIError as error:
                raise self._fault(error) from error
            return

    def _ask(self, request: Request, n: int, seed: int) -> list[Reply]:
        options = self._options(request, n, seed)
        while True:
            sent = self._taken(options)
            try:
                return self._read(self._post(request, sent))
            except openai.BadRequestError as error:
                refused = self._named_option(str(error), sent)
                if refused is None:
                    raise self._fault(error) from error
                self._refused.add(refused)

    def _options(self, request: Request, n: int, seed: int) -> dict[str, Any]:
        # a server counts thoughts among the tokens of a reply
        options: dict[str, Any] = {"seed": seed, "max_tokens": request.max_tokens + self._thought_tokens}
        if n > 1:
            options["n"] = n
        if request.stop:
            options["stop"] = list(request.stop)
        if request.tools:
            options["tools"] = chat_tools(request.tools)
        return options

    def _body(self, request: Request, options: dict[str, Any]) -> dict[str, Any]:
        return {
            "model": self._model,
            "messages": [chat_message(message) for message in request.messages],
            "temperature": request.temperature,
            **options,
        }

    def _taken(self, options: dict[str, Any]) -> dict[str, Any]:
        taken = {}
        for option, value in options.items():
            name = _REPLACED[option] if option in self._refused else option
            if name is not None:
                taken[name] = value
        return taken

    def _named_option(self, message: str, sent: dict[str, Any]) -> str | None:
        """Which of the options that were sent the server names as the one that it does not take."""
        for option in _REPLACED:
            if option in sent and re.search(rf"['\"`]{option}['\"`]", message):
                return option
        return "tools" if "tools" in sent and _NO_TOOLS.search(message) else None

    def _post(self, request: Request, options: dict[str, Any]) -> bytes:
        # the client tries again what fails before an answer has begun, and this what breaks off in one
        for left in reversed(range(self._retries + 1)):
            try:
                return self._answer(self._body(request, options), int(options.get("n", 1)))
            except openai.BadRequestError:
                raise
            except openai.OpenAIError as error:
                raise self._fault(error) from error
            except HTTP_TIMEOUT as error:
                if not left:
                    raise self._late() from error
            except HTTP_ERROR as error:
                if not left:
                    raise self._error(f"the answer was cut off: {error}", CUT) from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _answer(self, body: dict[str, Any], replies: int) -> bytes:
        whole = Whole(self._where, self._max_bytes, replies)
        with self._client.chat.completions.with_streaming_response.create(**body) as response:
            for piece in response.iter_bytes():
                whole.add(piece)
        return bytes(whole.held)

    def _fault(self, error: openai.OpenAIError) -> ModelError:
        if isinstance(error, openai.APITimeoutError):
            return self._late()
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__ or error
            return self._error(f"cannot be reached: {cause}", "is the server running, and the address right?")
        if not isinstance(error, openai.APIStatusError):
            return self._error(f"the call failed: {error}", "check the server's address and its log")
        status = error.status_code
        usual = _SERVER_FAILED if status >= 500 else "is the prompt longer than the model's context? see its log"
        return self._error(f"HTTP {status}: {error.message}", _WAYS_OUT.get(status, usual))

    def _late(self) -> ModelError:
        return self._error(f"no answer within {self._timeout:g} s", "is it overloaded? allow more time")

    def _error(self, what: str, way_out: str) -> ModelError:
        for secret in self._secrets:
            what = what.replace(secret, "[key]")
        if len(what) > _SHOWN_CHARACTERS:
            what = f"{what[:_SHOWN_CHARACTERS]}…"
        return ModelError(f"{self._where}: {what}", way_out)

    def _read(self, content: bytes) -> list[Reply]:
        way_out = "is this the address of a server with OpenAI's API?"
        if not content.strip():
            raise self._error("the answer is empty", way_out)
        try:
            body = json.loads(content)
        except (ValueError, RecursionError) as error:
            shown = content[:80].decode("utf-8", "replace")
            raise self._error(f"the answer is no JSON: {shown!r}", way_out) from error
        choices = body.get("choices") if isinstance(body, dict) else None
        if not isinstance(choices, list) or not choices:
            shown = content[:80].decode("utf-8", "replace")
            raise self._error(f"the answer holds no choices: {shown!r}", way_out)
        usage = body.get("usage")
        counts = [_count(usage, field) for field in ("prompt_tokens", "completion_tokens")]
        replies = [self._reply(choice, counts[0], counts[1] if len(choices) == 1 else 0) for choice in choices]
        if any(len(f"{one.text}{one.thought}".encode("utf-8", "replace")) > self._max_bytes for one in replies):
            raise too_long(self._where, self._max_bytes)
        return replies

    def _reply(self, choice: object, prompt_tokens: int, reply_tokens: int) -> Reply:
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(message, dict):
            raise self._error("a choice of the answer holds no message", "is this a server of chat completions?")
        text = message.get("content")
        if text is not None and not isinstance(text, str):
            raise self._error("a reply is not a text", "is this a server of chat completions?")
        reason = choice.get("finish_reason")
        thought = message.get("reasoning_content") or message.get("reasoning")
        return Reply(
            text or "",
            reason if isinstance(reason, str) else "stop",
            prompt_tokens,
            reply_tokens,
            thought if isinstance(thought, str) else "",
            read_uses(message.get("tool_calls"), self._where),
        )


def _count(usage: object, field: str) -> int:
    value = usage.get(field) if isinstance(usage, dict) else None
    return value if isinstance(value, int) else 0
