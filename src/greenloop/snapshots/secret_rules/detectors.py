"""The detectors of ``detect-secrets`` (Apache-2.0) as rules: all that the installed release has, less ``LEFT_OUT``.

Nothing of them is copied here; ``own.toml`` says of a few how much more a match has to be.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import cast

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector
from detect_secrets.plugins.jwt import JwtTokenDetector

from greenloop.snapshots.secret_rules.rule import Guards, Rule, linear

_BLANKS = "three runs of blanks in a row, which take cubic time; our rule for telling names stops the same"
LEFT_OUT = {
    "Public IP (ipv4)": "an address is no secret",
    "Private Key": "its patterns are the words of a header, which every program that reads keys holds",
    "Basic Auth Credentials": "any colon before any @ on a line with ://",
    "Cloudant Credentials": _BLANKS,
    "IBM Cloud IAM Key": _BLANKS,
    "IBM COS HMAC Credentials": _BLANKS,
    "SoftLayer Credentials": _BLANKS,
}
"""Kinds that fire on ordinary code or are slow, and why; ``own.toml`` has narrower ones for the second and the third.
Detectors by entropy and by keyword are no patterns: they stop digests, tables and every variable named ``password``."""

_NOT_IN_A_WORD = r"(?!\w)"
_OVER_RE2 = re.compile(r"\{(\d+),\d{4,}\}")
"""RE2 repeats a thousand times at most; without any limit a longer run is found as well."""
_LETTERS = ((re.I, "i"), (re.M, "m"), (re.S, "s"))


def installed() -> dict[str, tuple[type[RegexBasedDetector], tuple[re.Pattern[str], ...]]]:
    """Return each installed detector that is made of patterns, and these, by the kind of secret."""
    kinds: Mapping[str, type[BasePlugin]] = get_mapping_from_secret_type_to_class()
    return {
        kind: (detector, tuple(cast("Iterable[re.Pattern[str]]", detector.denylist)))
        for kind, detector in sorted(kinds.items())
        if issubclass(detector, RegexBasedDetector)
    }


def rules(guards: Mapping[str, Guards], otherwise: Guards) -> list[Rule]:
    """Return a rule for each pattern of each detector that is not left out, with the guards of its kind."""
    found: list[Rule] = []
    for kind, (detector, patterns) in installed().items():
        if kind in LEFT_OUT:
            continue
        asked = replace(guards.get(kind, otherwise), valid=_validity(detector))
        for regex in map(in_linear_time, patterns):
            found.append(Rule(id=kind, regex=regex, pattern=linear(regex), guards=asked))
    return found


def in_linear_time(pattern: re.Pattern[str]) -> str:
    """Return the expression that finds what ``pattern`` finds, in the dialect of engines that never backtrack.

    Raises ``ValueError`` for what they cannot say, and ``linear`` its own error for the rest.
    """
    letters = "".join(letter for flag, letter in _LETTERS if pattern.flags & flag)
    if pattern.flags & re.X and re.search(r"[\s#]", pattern.pattern):
        raise ValueError(f"a pattern with blanks and comments: {pattern.pattern}")
    regex = pattern.pattern
    if regex.endswith(_NOT_IN_A_WORD):
        # at the end of an expression, looking ahead is the same as taking what is seen
        regex = regex.removesuffix(_NOT_IN_A_WORD) + r"(?:\W|$)"
    regex = _OVER_RE2.sub(r"{\1,}", regex)
    return f"(?{letters}){regex}" if letters else regex


def _validity(detector: type[RegexBasedDetector]) -> Callable[[bytes], bool] | None:
    if not issubclass(detector, JwtTokenDetector):
        return None
    return lambda secret: bool(detector.is_formally_valid(secret.decode("latin-1")))
