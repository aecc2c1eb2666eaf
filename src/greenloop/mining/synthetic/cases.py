"""Matches: a case that is missing."""

from collections.abc import Iterator

import tree_sitter

from greenloop.mining.synthetic.code import Code, Mutant, Patch, cut, has_comment, text
from greenloop.mining.synthetic.project import Project

_OPEN = frozenset({"any_pattern", "value_pattern"})
_NOTHING = frozenset({"unit", "empty_list", "constructor_path"})
_MOST_LINES = 2


def missing(project: Project) -> Iterator[Mutant]:
    """Leave out a case for a constructor where no other case takes everything: the match is no longer exhaustive.

    Most bodies could only be guessed, so few cases may go.
    """
    for code in project.implementations:
        for match in code.nodes("match_expression", "function_expression"):
            cases = [one for one in match.children if one.type == "match_case"]
            if len(cases) < 2 or any(_takes_all(case) for case in cases):
                continue
            for place, case in enumerate(cases):
                pattern = case.child_by_field_name("pattern")
                wanted = pattern is not None and pattern.type in {"constructor_path", "constructor_pattern"}
                if wanted and _short(case) and _told(case, cases):
                    yield code.mutant("missing-case", case, _removal(code, case, first=place == 0))


def _takes_all(case: tree_sitter.Node) -> bool:
    pattern = case.child_by_field_name("pattern")
    guarded = any(one.type == "guard" for one in case.children)
    return pattern is not None and pattern.type in _OPEN and not guarded


def _told(case: tree_sitter.Node, cases: list[tree_sitter.Node]) -> bool:
    """Whether what the case gives can be told without it: nothing at all, or what another case gives."""
    body = case.child_by_field_name("body")
    given = [other.child_by_field_name("body") for other in cases if other != case]
    return body is not None and (
        body.type in _NOTHING or any(other is not None and text(other) == text(body) for other in given)
    )


def _short(case: tree_sitter.Node) -> bool:
    return case.end_point.row - case.start_point.row < _MOST_LINES and not has_comment(case)


def _removal(code: Code, case: tree_sitter.Node, *, first: bool) -> Patch:
    bar = case.prev_sibling
    if bar is not None and bar.type == "|":
        return cut(code.source, bar.start_byte, case.end_byte)
    after = case.next_sibling
    if first and after is not None and after.type == "|":
        # the first case without a bar: the next one's bar goes with it
        rest = after.next_sibling
        return Patch(case.start_byte, after.end_byte if rest is None else rest.start_byte, b"")
    return cut(code.source, case.start_byte, case.end_byte)
