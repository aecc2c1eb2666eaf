"""Steps by which a set of errors strictly shrinks though its first error stays: a later one was mended before it.

A build that goes on after its first error (dune, in modules that do not need the broken one) shows several at once, and
people mend them in any order. What such a step answers is not the error that is printed first, but those that went.
"""

from collections import Counter

from greenloop.builds.fixed import first_error
from greenloop.records import Diagnostic, Verdict


def mended(before: Verdict, after: Verdict) -> tuple[Diagnostic, ...]:
    """Return the errors of a red tree that a later red one has no more, in their order.

    There are none unless every error of ``after`` was there ``before``, and the first one before is one of them. Places
    do not count: typing above an error moves it.
    """
    if not before.errors or not after.errors:
        return ()
    left = Counter(map(_told, after.errors))
    gone: list[Diagnostic] = []
    for error in before.errors:
        if left[_told(error)]:
            left[_told(error)] -= 1
        else:
            gone.append(error)
    stays = _told(first_error(before)) not in set(map(_told, gone))
    return tuple(gone) if stays and not left.total() else ()


def _told(error: Diagnostic) -> tuple[str | None, str, str]:
    return error.path, error.category.value, error.message
