"""Remembering what a text came to: of a base each is asked for again and again, once for every edit that is judged."""

import functools
from collections.abc import Callable, Hashable
from typing import ParamSpec, TypeVar, cast

_TEXTS = 512
_LARGEST = 64 << 10
"""Bytes of a text beyond which nothing is remembered, so that all memories together stay small."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def remembered(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorate a function of a text whose result never changes and takes little room: it is worked out once."""
    small = functools.lru_cache(_TEXTS)(function)

    @functools.wraps(function)
    def ask(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if any(isinstance(given, bytes) and len(given) > _LARGEST for given in args):
            return function(*args, **kwargs)
        return small(*cast(tuple[Hashable, ...], args), **cast(dict[str, Hashable], kwargs))

    return ask
