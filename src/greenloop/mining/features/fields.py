"""Reading fields of exported JSON, so that what is missing or of another kind is named."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from greenloop.records import InputError

Object = Mapping[str, Any]


def text(where: str, held: Object, *path: str, needed: bool = True) -> str:
    """Return the text at ``path``; empty where it is missing or null and not ``needed``. Raises ``InputError``."""
    value: Any = held
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or (needed and not value):
        raise InputError(f"{where}: no text at {'.'.join(path)}", "export it again with the fields of the REST API")
    return value


def number(held: Object, *keys: str) -> int | None:
    """Return the first whole number among ``keys``."""
    return next((held[key] for key in keys if isinstance(held.get(key), int) and held[key] > 0), None)


def moment(where: str, value: str) -> float:
    """Return a time of ISO 8601 in Unix seconds; 0 for no text."""
    if not value:
        return 0.0
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError as error:
        raise InputError(f"{where}: {value!r} is no time", "times are written as in 2026-01-31T12:00:00Z") from error


def objects(where: str, value: Any) -> list[Object]:
    """Return a list of objects; none for ``None``. Raises ``InputError``."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise InputError(f"{where}: not a list of objects", "export it again with the fields of the REST API")
    return list(value)
