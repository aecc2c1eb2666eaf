"""A place that many machines write to: a folder, or a bucket of an object store, through obstore.

Invariants: credentials come from the environment, read by obstore itself, and stand in no error; a file appears whole
or not at all. Absent here: locks, which object stores do not have, and what the files mean.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from greenloop.records import EnvironmentFault, InputError
from greenloop.storage import named_io_errors

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("file", "s3", "gs", "az", "memory")
"""What a URL may begin with; anything without a scheme is a folder."""
_ONE_REQUEST = 64 << 20
_STATUS = re.compile(r"\b([45]\d\d) ([A-Z][A-Za-z ]{2,40})")


class Remote:
    """Files by their names below a URL. Raises ``EnvironmentFault`` when the other side refuses or is not there."""

    def __init__(self, store: "ObjectStore", shown: str) -> None:
        self._store = store
        self.shown = shown

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the files below ``prefix``, which ends at a slash, and how many bytes each has."""
        import obstore

        with self._named(f"cannot list {prefix}"):
            return {item["path"]: item["size"] for part in obstore.list(self._store, prefix=prefix) for item in part}

    def read(self, name: str, *, most: int) -> bytes | None:
        """Return a file of at most ``most`` bytes; ``None`` when it is not there."""
        parts = self.parts(name, most=most)
        return None if parts is None else b"".join(parts)

    def parts(self, name: str, *, most: int) -> Iterator[bytes] | None:
        """Return a file's bytes in parts; ``None`` when it is not there."""
        import obstore
        from obstore.exceptions import NotFoundError

        with self._named(f"cannot read {name}"):
            try:
                result = obstore.get(self._store, name)
            except (NotFoundError, FileNotFoundError):
                return None
        if result.meta["size"] > most:
            raise InputError(f"{self.shown}: {name} is larger than {most} bytes", "no Greenloop wrote it")

        def stream() -> Iterator[bytes]:
            with self._named(f"cannot read {name}"):
                for part in result.stream():
                    yield bytes(part)

        return stream()

    def write(self, name: str, content: bytes | Path) -> None:
        """Write or replace a file, whole."""
        import obstore

        size = content.stat().st_size if isinstance(content, Path) else len(content)
        with self._named(f"cannot write {name}"):
            # in one request where that is possible: a kill then leaves no parts behind that somebody pays for
            obstore.put(self._store, name, content, use_multipart=size > _ONE_REQUEST)

    def delete(self, names: Iterable[str]) -> None:
        """Delete files; one that is not there is no error."""
        import obstore
        from obstore.exceptions import NotFoundError

        for name in names:
            with self._named(f"cannot delete {name}"):
                try:
                    obstore.delete(self._store, name)
                except (NotFoundError, FileNotFoundError):
                    continue

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except (BaseError, OSError) as error:
            # the words of a store may hold a key's id or a signed URL: of them only the status is passed on
            status = _STATUS.search(str(error))
            why = f"{status[1]} {status[2].strip()}" if status else _kind(error)
            denied = isinstance(error, PermissionDeniedError | UnauthenticatedError | PermissionError)
            way_out = "are the credentials in the environment right?" if denied else "run the command again"
            raise EnvironmentFault(f"{self.shown}: {what}: {why}", f"{way_out}; what was sent is kept") from None


def _kind(error: Exception) -> str:
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__.removesuffix("Error")).lower()
    reason = error.strerror if isinstance(error, OSError) else None
    text = str(error)
    told = next((known for known in _TOLD if known in text.lower()), "")
    return reason or told or {"generic": "it cannot be reached, or refused"}.get(words, words)


_TOLD = ("connection refused", "dns error", "timed out", "certificate", "no space left on device", "missing region")


def open_remote(url: str, *, retries: int = 6, patience: float = 60.0) -> Remote:
    """Open ``url``: a folder, ``file://``, ``s3://BUCKET/PREFIX``, ``gs://`` or ``az://``.

    A request that fails for a reason that may pass is tried again, ``retries`` times within ``patience`` seconds.
    Raises ``InputError`` when the URL is none of these, ``EnvironmentFault`` when obstore is not installed.
    """
    shown = _shown(url)
    try:
        # the extra `push`: who does not push needs no client of object stores
        from obstore.exceptions import BaseError
        from obstore.store import LocalStore, from_url
    except ModuleNotFoundError as error:
        raise EnvironmentFault("obstore, which reaches shared stores, is not installed", _INSTALL) from error
    folder = _folder(url)
    if folder is not None:
        with named_io_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return Remote(LocalStore(folder), shown)
    try:
        store = from_url(
            url,
            retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=patience)},
        )
    except (BaseError, ValueError) as error:
        raise InputError(f"{shown}: the store cannot be opened: {_kind(error)}", "s3://BUCKET/PREFIX?") from None
    return Remote(store, shown)


def _folder(url: str) -> Path | None:
    if "://" not in url:
        return Path(url).absolute()
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(parts.path)
    if parts.scheme not in SCHEMES:
        raise InputError(f"{_shown(url)}: no store that Greenloop knows", "a folder, s3://, gs:// or az://")
    return None


def _shown(url: str) -> str:
    """Return the URL without what may be secret in it: user, password, query."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


_INSTALL = "pip install 'greenloop[push]'"
