"""Slips of the pen: a keyword or a bracket left out, a sign doubled or taken for another."""

from collections.abc import Iterator

from greenloop.mining.synthetic.code import Mutant, cut, replaced
from greenloop.mining.synthetic.project import Project

_LEFT_OUT = {
    "in": "missing-in", "->": "missing-arrow", "with": "missing-with", "then": "missing-then", "of": "missing-of",
    ")": "missing-bracket", "(": "missing-bracket", "]": "missing-bracket", "end": "missing-end",
    "begin": "missing-end", "done": "missing-end", "do": "missing-end", "=": "missing-equals",
    "|": "missing-bar",
}  # fmt: skip


def left_out(project: Project) -> Iterator[Mutant]:
    """Leave out one token that the grammar needs."""
    for code in project.implementations:
        for node in code.nodes(*_LEFT_OUT):
            above = node.parent
            # `()` and `[]` are values, and `(+)` a name: without a half they were other slips
            if node.is_named or above is None or above.type in {"unit", "empty_list", "parenthesized_operator"}:
                continue
            if node.type == "|" and above.type not in {"match_expression", "function_expression", "try_expression"}:
                continue
            yield code.mutant(_LEFT_OUT[node.type], node, cut(code.source, node.start_byte, node.end_byte))


def semicolons(project: Project) -> Iterator[Mutant]:
    """Write ``;;`` for ``;`` between two expressions."""
    for code in project.implementations:
        for node in code.nodes(";"):
            if node.parent is not None and node.parent.type == "sequence_expression":
                yield code.mutant("double-semicolon", node, replaced(node, ";;"))


def commas(project: Project) -> Iterator[Mutant]:
    """Write ``,`` for ``;`` in a list or a record."""
    for code in project.implementations:
        for node in code.nodes(";"):
            above = node.parent
            if above is None or above.type not in {"list_expression", "array_expression", "record_expression"}:
                continue
            kind = "record-comma" if above.type == "record_expression" else "list-comma"
            yield code.mutant(kind, node, replaced(node, ","))
