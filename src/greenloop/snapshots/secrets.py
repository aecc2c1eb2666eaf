"""Stopping secrets before they are written: by the names of files, and by what a catalogue of shapes finds in them.

A reason names the kind of a secret, never the secret. What a person accepts: a line with ``pragma: allowlist secret``,
or the globs that a ``Screen`` is given. The catalogue is in ``secret_rules``; figures are in
``docs/recorder-secrets.md``.
"""

import fnmatch
import re
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256

from greenloop.snapshots.secret_rules import catalogue

_NAMES = (
    ".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.gpg", "*.asc",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", ".netrc", "_netrc", ".pgpass", ".pypirc", ".npmrc",
    ".htpasswd", ".git-credentials", "credentials", "secrets",
    *(f"{stem}.{end}" for stem in ("credentials", "secrets") for end in ("json", "yaml", "yml", "toml", "ini", "xml")),
)  # fmt: skip
_HARMLESS = (".env.example", ".env.sample", ".env.template", "*.pub")

REMEMBERED = 4096
"""Contents whose answer a ``Screen`` remembers, about 150 bytes each; the one asked for longest ago is forgotten."""


def _any_of(globs: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(glob) for glob in globs) or r"(?!)")


_NAMED, _NOT_NAMED = _any_of(_NAMES), _any_of(_HARMLESS)


def named_secret(path: str) -> str | None:
    """Return why a file of this name is never recorded, or ``None``."""
    name = path.rpartition("/")[2].lower()
    # one pattern for all names is what makes this cheap; which of them it was is asked only of the few
    if _NAMED.match(name) is None or _NOT_NAMED.match(name) is not None:
        return None
    pattern = next(pattern for pattern in _NAMES if fnmatch.fnmatchcase(name, pattern))
    return f"secret by its name ({pattern})"


class Screen:
    """Says why a file must not be stored; content that was seen before is not scanned again.

    ``allowed`` are globs of whole paths, in which ``*`` crosses ``/``, of files that are stored whatever they hold:
    fixtures and examples that a person has looked at. A name that is secret stays secret.
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = _any_of(allowed)
        self._seen: OrderedDict[bytes, str | None] = OrderedDict()

    def __call__(self, path: str, content: bytes) -> str | None:
        """Return the reason against storing ``content`` at ``path``, or ``None``."""
        named = named_secret(path)
        if named is not None or self._allowed.match(path) is not None:
            return named
        spelled = catalogue().first(path.encode("utf-8", "surrogateescape"))
        if spelled is not None:
            return f"its name holds a secret ({spelled})"
        key = sha256(content).digest()
        if key in self._seen:
            self._seen.move_to_end(key)
            return self._seen[key]
        reason = self._seen[key] = scan(content)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return reason

    @property
    def remembered(self) -> int:
        """How many contents it remembers, at most ``REMEMBERED``."""
        return len(self._seen)


def scan(content: bytes) -> str | None:
    """Return what kind of secret ``content`` holds, or ``None``."""
    found = catalogue().first(content)
    if found is None and b"\0" in content:
        # UTF-16 and UTF-32 of what secrets are made of are those bytes with zeros between them
        found = catalogue().first(content.replace(b"\0", b""))
    return None if found is None else f"holds a secret ({found})"


def screen(path: str, content: bytes) -> str | None:
    """Return the reason against storing ``content`` at ``path``, or ``None``, without any memory."""
    return Screen()(path, content)
