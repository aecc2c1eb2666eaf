"""Stable pseudonyms for the people in a history: the same person is the same one in every export of this home.

A keyed hash, so that who has no key cannot try names until one fits (HMAC-SHA-256, RFC 2104). The key never leaves
the home; without it, two homes give one person two pseudonyms. What people wrote into files, titles and messages of
compilers is left as it is: pseudonyms are no anonymity.
"""

import hashlib
import hmac
import re
import secrets
from pathlib import Path

from greenloop.records import InputError, Workspace
from greenloop.storage import made_once

_DIGITS = 12
_KEY_BYTES = 32


class Pseudonyms:
    """Names people by ``key``."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def load(cls, path: Path) -> "Pseudonyms":
        """Read the key at ``path``; it is made, readable by its owner alone, when it is missing.

        Raises ``InputError`` when the file holds no key.
        """
        text = made_once(path, lambda: secrets.token_hex(_KEY_BYTES))
        if re.fullmatch(rf"[0-9a-f]{{{2 * _KEY_BYTES}}}", text) is None:
            raise InputError(f"{path}: holds no key for pseudonyms", "delete it; all pseudonyms will then be new")
        return cls(bytes.fromhex(text))

    def person(self, name: str) -> str:
        """Return the pseudonym of a person."""
        digest = hmac.new(self._key, name.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
        return f"person-{digest[:_DIGITS]}"

    def shown(self, workspace: Workspace) -> Workspace:
        """Return the workspace with its author's name replaced, in its id as well."""
        person = self.person(workspace.author)
        parts = [person if _same(part, workspace.author) else part for part in workspace.id.split("/")]
        return workspace.model_copy(update={"author": person, "id": "/".join(parts)})


def _same(part: str, author: str) -> bool:
    """Say whether a part of an id names the author: ids hold letters, digits and dashes only."""
    return part.casefold() in {author.casefold(), re.sub(r"[^A-Za-z0-9._-]+", "-", author).strip("-.").casefold()}
