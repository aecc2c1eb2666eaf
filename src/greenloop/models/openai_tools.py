"""A server that speaks OpenAI's chat completions, for a model that calls tools."""

import json
from typing import Any
from urllib.parse import urlsplit

import openai

from greenloop.models.openai_server import DEFAULT_RETRIES, DEFAULT_TIMEOUT_SECONDS
from greenloop.models.tool_calls import ToolModel, ToolReply, ToolRequest, chat_messages, chat_tools, read_tool_reply
from greenloop.records import InputError, ModelError


class OpenAIToolModel(ToolModel):
    """``model`` as served at ``base_url``. ``timeout`` is in seconds. Raises ``InputError`` for no HTTP address."""

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str = "",
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        retries: int = DEFAULT_RETRIES,
    ) -> None:
        address = urlsplit(base_url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise InputError(f"{base_url!r} is no HTTP address", "write it like http://127.0.0.1:8000/v1")
        self._model = model
        self._secrets = tuple(secret for secret in (api_key, address.password or "") if secret)
        self._where = f"{model} at {address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
        # what is given is not looked for in the environment
        self._client = openai.OpenAI(
            base_url=base_url, api_key=api_key or "none", timeout=timeout, max_retries=retries,
            organization="", project="", admin_api_key="", webhook_secret="",
        )  # fmt: skip
        self._client.organization = self._client.project = None

    @property
    def name(self) -> str:
        return f"openai:{self._model}"

    def converse(self, request: ToolRequest) -> ToolReply:
        """See ``ToolModel``. A server that knows no tools refuses by HTTP 400, which the error quotes."""
        body: dict[str, Any] = {
            "model": self._model,
            "messages": chat_messages(request.exchanges),
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
        }
        if request.tools:
            body["tools"] = chat_tools(request.tools)
        try:
            content = self._client.chat.completions.with_raw_response.create(**body).content
        except openai.OpenAIError as error:
            said = str(error)
            for secret in self._secrets:
                said = said.replace(secret, "[key]")
            raise ModelError(f"{self._where}: {said[:300]}", "does the server run, and support tools?") from error
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{self._where}: the answer is no JSON", "is this a server with OpenAI's API?") from error
        return read_tool_reply(answer, self._where)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()
