"""How a team names its tools: the tables ``[tools.NAME]`` of ``greenloop.toml``."""

import hashlib
import json
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, model_validator

from greenloop.aid.loopback import loopback
from greenloop.records import Part

ServerName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]{0,31}$")]
"""Part of what its tools are called, so neither a dot nor a blank."""


class ToolServerSettings(Part):
    """A server of domain tools, under a name of the team's: exactly one of `command`, `url` and `entry_point`."""

    command: tuple[str, ...] = ()
    """The words of the command that runs an MCP server on its standard input and output."""
    url: str = ""
    """The address of an MCP server that speaks streamable HTTP."""
    entry_point: str = ""
    """The name of a Python entry point of the group `greenloop.tools`: a function, several, or an `MCPServer`."""
    read_only: tuple[str, ...] = ()
    """Tools of it that change nothing, so that no call of them needs approval; every other one does."""
    environment: tuple[str, ...] = ()
    """Names of environment variables that it gets, beside a minimal set."""
    token_variable: str = ""
    """For `url`: the environment variable that holds a bearer token."""
    timeout_seconds: float = Field(default=60.0, gt=0, le=3600, allow_inf_nan=False)
    """Seconds for one call."""
    start_seconds: float = Field(default=30.0, gt=0, le=600, allow_inf_nan=False)
    """Seconds for it to start and to say what tools it has."""
    result_kib: int = Field(default=64, ge=1, le=4096)
    """KiB of a result that are kept; the rest is cut off, and said to be."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.command) + bool(self.url) + bool(self.entry_point) != 1:
            raise ValueError("a server of tools needs exactly one of `command`, `url` and `entry_point`")
        if self.url:
            _check_url(self.url, tokened=bool(self.token_variable))
        elif self.token_variable:
            raise ValueError("`token_variable` is for a server with a `url`; name it in `environment`")
        return self

    @property
    def launch(self) -> str:
        """How it is reached, as a line for people."""
        return self.url or (f"entry point {self.entry_point}" if self.entry_point else " ".join(self.command))

    @property
    def identity(self) -> str:
        """A hash of all that a person agrees to by pinning it: how it is reached, what it gets, what it may do."""
        agreed = self.model_dump(include={"command", "url", "entry_point", "environment", "token_variable"})
        text = json.dumps({**agreed, "read_only": sorted(self.read_only)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _check_url(url: str, *, tokened: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is no HTTP address")
    if parts.username is not None or parts.password is not None:
        raise ValueError("`url` holds a password: name a variable with the token by `token_variable`")
    if tokened and parts.scheme == "http" and not loopback(parts.hostname):
        raise ValueError(f"a token would go to {parts.hostname} in clear text: use https")
