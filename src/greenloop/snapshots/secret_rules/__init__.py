"""What secrets look like: the patterns of the maintained ``detect-secrets``, as installed, and in ``own.toml`` the
shapes that they lack, each with where its vendor or a standard writes about it.

Hyperscan looks for all of them in one pass over the bytes: it has the speed, and may say yes too often. RE2 confirms
its hits and cuts out the secret. Both take time linear in the input, whatever it is. Absent here: paths, text of other
projects, engines that backtrack, and any memory of what was seen.
"""

import tomllib
from collections import defaultdict
from functools import cache
from importlib import resources
from itertools import pairwise
from threading import Lock
from typing import Any

import hyperscan

from greenloop.snapshots.secret_rules.rule import Guards, Parts, Rule, linear

_FIRST_HIT = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_PREFILTER


class Catalogue:
    """All ``rules``, behind one gate."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self._gate = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._gate.compile(
            expressions=[(rule.gate or rule.regex).encode() for rule in rules],
            ids=list(range(len(rules))),
            flags=[0 if rule.reach else _FIRST_HIT for rule in rules],
        )
        self._gate.scratch = hyperscan.Scratch(self._gate)
        self._one_at_a_time = Lock()  # the gate has one scratch space

    def candidates(self, content: bytes) -> dict[Rule, Parts]:
        """Return every rule that may find something in ``content``, with the only parts of it where that can be."""
        hits: dict[int, list[int]] = defaultdict(list)
        with self._one_at_a_time:
            self._gate.scan(content, match_event_handler=lambda rule, _, end, *__: hits[rule].append(end))
        return {
            self.rules[index]: _parts(sorted(ends), self.rules[index].reach, len(content))
            for index, ends in sorted(hits.items())
        }

    def first(self, content: bytes) -> str | None:
        """Return the id of the first rule that finds a secret in ``content``."""
        return next((rule.id for rule, parts in self.candidates(content).items() if rule.holds(content, parts)), None)


def _parts(ends: list[int], reach: int, length: int) -> Parts:
    """Return what lies within ``reach`` of ``ends``; parts that touch are one, so that no match is cut in two."""
    if not reach:
        return [(0, length)]
    breaks = [at for at in range(1, len(ends)) if ends[at] - ends[at - 1] > 2 * reach]
    return [
        (max(0, ends[first] - reach), min(length, ends[last - 1] + reach))
        for first, last in pairwise((0, *breaks, len(ends)))
    ]


@cache
def catalogue() -> Catalogue:
    """Return the catalogue; the first call in a process reads and compiles it, which takes about half a second."""
    # lazy, for it brings `requests`: 0.3 s and 18 MiB, which only a process that scans should pay
    from greenloop.snapshots.secret_rules import detectors

    tables = tomllib.loads(resources.files(__name__).joinpath("own.toml").read_text("utf-8"))
    placeholders = tables["placeholders"]
    asked = {kind: _guards(table, placeholders) for kind, table in tables["detectors"].items()}
    own = [_rule(table, placeholders) for table in tables["rules"]]
    # those by a telling name find most of what others have a name for
    named, wide = [rule for rule in own if not rule.reach], [rule for rule in own if rule.reach]
    return Catalogue((*named, *detectors.rules(asked, _guards(tables["detector"], placeholders)), *wide))


def _rule(table: dict[str, Any], placeholders: list[str]) -> Rule:
    pattern = linear(table["regex"])
    return Rule(
        id=table["id"],
        regex=table["regex"],
        pattern=pattern,
        guards=_guards(table, placeholders),
        group=pattern.groups,
        gate=table.get("gate", ""),
        reach=table.get("reach", 0),
    )


def _guards(table: dict[str, Any], placeholders: list[str]) -> Guards:
    return Guards(
        entropy=table.get("entropy", 0.0),
        needs=tuple(linear(regex) for regex in table.get("needs", ())),
        # one pattern for all costs as much as one of them
        refused=(linear("|".join(f"(?:{regex})" for regex in [*table.get("refused", ()), *placeholders])),),
        refused_around=tuple(linear(regex) for regex in table.get("refused_around", ())),
    )
