"""Bearer tokens, each with the name of whom it was given to. Nothing here reads a file or the environment."""

import hmac
from collections.abc import Mapping

from greenloop.records import InputError

_SHORTEST = 16


class Tokens:
    """Named tokens. They are never printed: not by ``repr``, not in an error."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        """``tokens``: name → token. Raises ``InputError`` for one that is short, or not ASCII without blanks."""
        for name, token in tokens.items():
            if len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
                raise InputError(
                    f"the token {name!r} is not {_SHORTEST} or more printable ASCII characters without blanks",
                    "make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
                )
        self._tokens = {name: token.encode() for name, token in tokens.items()}

    def __repr__(self) -> str:
        return f"Tokens({', '.join(sorted(self._tokens))})"

    @property
    def first(self) -> str:
        """The token that a client sends which holds several."""
        return next(iter(self._tokens.values())).decode()

    def owner(self, authorization: str) -> str | None:
        """Return the name of the token in an ``Authorization`` header, or ``None``.

        Takes the same time for every wrong token: all are compared, each in constant time.
        """
        scheme, _, given = authorization.partition(" ")
        offered = given.strip().encode("utf-8", "surrogateescape")
        found: str | None = None
        for name, token in self._tokens.items():
            if hmac.compare_digest(token, offered):
                found = name
        return found if scheme.lower() == "bearer" else None

    @classmethod
    def parse(cls, text: str, source: str) -> "Tokens":
        """Read lines ``NAME TOKEN`` or ``TOKEN``; empty lines and ``#`` lines are skipped.

        Raises ``InputError`` that names ``source`` and the line, never what stands in it.
        """
        found: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            name, token = (words[0], words[1]) if len(words) == 2 else (f"token-{number}", words[0])
            if len(words) > 2 or name in found:
                raise InputError(f"{source}: line {number}: not `NAME TOKEN`, or the name stands twice")
            found[name] = token
        if not found:
            raise InputError(f"{source}: holds no token", "one line for each: NAME TOKEN")
        return cls(found)
