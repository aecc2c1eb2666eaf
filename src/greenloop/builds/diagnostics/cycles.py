"""Dependency cycles, told from the same member whichever one dune came upon first."""

import re

_OPENING = re.compile(r"^(?:Dependency cycle (?:between|detected)|Cycle between|.* form a dependency cycle)")
_MEMBER = re.compile(r"^(?:-> |   )(?P<name>\S.*)$")


def unroll(lines: list[str]) -> list[str]:
    """Return a message's lines with its cycle begun at its least member; others come back as they are.

    Which member dune prints first depends on which of its jobs asked first. A cycle is printed as its members, one a
    line, the first again at the end: ``   a``, ``-> b``, ``-> a``. Source: dune's src/memo and dep_path.ml.
    """
    if not lines or not _OPENING.match(lines[0]):
        return lines
    members: list[str] = []
    for line in lines[1:]:
        found = _MEMBER.match(line)
        if found is None:
            break
        members.append(found["name"])
    if len(members) < 3 or members[0] != members[-1]:
        return lines
    circle = members[:-1]
    least = circle.index(min(circle))
    turned = [*circle[least:], *circle[:least], circle[least]]
    told = [f"   {turned[0]}", *(f"-> {name}" for name in turned[1:])]
    return [lines[0], *told, *lines[1 + len(members) :]]
