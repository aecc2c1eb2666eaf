"""Numbers: whole ones for floating ones and the other way round, in operators and literals."""

import re
from collections.abc import Iterator

from greenloop.mining.synthetic.code import Mutant, replaced, text
from greenloop.mining.synthetic.project import Project

_OTHER = {"+": "+.", "-": "-.", "*": "*.", "/": "/."} | {"+.": "+", "-.": "-", "*.": "*", "/.": "/"}
_WHOLE = re.compile(r"\d+")
_FLOATING = re.compile(r"(\d+)\.0*")


def operators(project: Project) -> Iterator[Mutant]:
    """Take the operator of the other kind of number."""
    for code in project.implementations:
        for node in code.nodes("add_operator", "mult_operator"):
            other = _OTHER.get(text(node))
            if other is not None:
                yield code.mutant("int-float-operator", node, replaced(node, other))


def literals(project: Project) -> Iterator[Mutant]:
    """Write a whole number as a floating one, or the other way round; its value stays."""
    for code in project.implementations:
        for node in code.nodes("number"):
            floating = _FLOATING.fullmatch(text(node))
            if _WHOLE.fullmatch(text(node)):
                yield code.mutant("int-float-literal", node, replaced(node, f"{text(node)}."))
            elif floating is not None:
                yield code.mutant("int-float-literal", node, replaced(node, floating[1]))
