"""Behaviour: what type-checks and does something else. Only a test can tell, so tests themselves stay as they are."""

import re
from collections.abc import Iterator

import tree_sitter

from greenloop.mining.synthetic.code import Code, Mutant, has_comment, inside, replaced, text, walk
from greenloop.mining.synthetic.project import Project

_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "<>", "<>": "=", "==": "!=", "!=": "=="}
_SHIFTED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_OTHER = {"&&": "||", "||": "&&"}
_NUMBER = re.compile(r"\d+")
_MOST_LINES = 3
_OPEN_ENDED = frozenset(
    {"if_expression", "let_expression", "match_expression", "function_expression", "fun_expression", "try_expression"}
)
"""What would take the rest of the ``if`` into itself as its first branch."""


def flipped(project: Project) -> Iterator[Mutant]:
    """Turn a comparison, or ``&&`` and ``||``, round."""
    for code in project.tested:
        for node in code.nodes("rel_operator"):
            if text(node) in _FLIPPED and not _loops(node):
                yield code.mutant("flipped-comparison", node, replaced(node, _FLIPPED[text(node)]))
        for node in code.nodes("and_operator", "or_operator"):
            if text(node) in _OTHER and not _loops(node):
                yield code.mutant("flipped-logic", node, replaced(node, _OTHER[text(node)]))


def off_by_one(project: Project) -> Iterator[Mutant]:
    """Move a bound, or the number that is added to something or taken from it, by one."""
    for code in project.tested:
        for node in code.nodes("rel_operator"):
            if text(node) in _SHIFTED and not _loops(node):
                yield code.mutant("off-by-one", node, replaced(node, _SHIFTED[text(node)]))
        for node in code.nodes("number"):
            if _is_offset(node) and not _loops(node) and not _recursive_argument(code, node):
                yield code.mutant("off-by-one", node, replaced(node, str(int(text(node)) + 1)))


def swapped(project: Project) -> Iterator[Mutant]:
    """Swap the branches of an ``if``."""
    for code in project.tested:
        for node in code.nodes("if_expression"):
            branches = [one.child_by_field_name("expression") for one in node.children if one.type.endswith("_clause")]
            if len(branches) != 2 or _loops(node):
                continue
            left, right = branches
            if (
                left is None
                or right is None
                or not (_short(left) and _short(right))
                or {left.type, right.type} & _OPEN_ENDED
            ):
                continue
            if text(left) != text(right):
                yield code.mutant("swapped-branches", node, replaced(left, text(right)), replaced(right, text(left)))


def _loops(node: tree_sitter.Node) -> bool:
    """Whether a loop may hang on it: a mutant that never ends tells little and costs a time-out.

    So it is in a ``while``, and in an ``if`` of which a branch calls a definition around it.
    """
    if inside(node, "while_expression"):
        return True
    above: tree_sitter.Node | None = node
    while above is not None and above.type != "let_binding":
        if above.type == "if_expression" and any(_calls_itself(one) for one in walk(above)):
            return True
        above = above.parent
    return False


def _calls_itself(node: tree_sitter.Node) -> bool:
    function = node.child_by_field_name("function") if node.type == "application_expression" else None
    return function is not None and _binds(node, text(function))


def _recursive_argument(code: Code, node: tree_sitter.Node) -> bool:
    item = code.item(node)
    above = node.parent
    while above is not None and item is not None:
        if above.type == "application_expression":
            function = above.child_by_field_name("function")
            if function is not None and (text(function) in item.names or _binds(above, text(function))):
                return True
        above = above.parent
    return False


def _binds(node: tree_sitter.Node, name: str) -> bool:
    """Whether a definition around ``node`` is called ``name``."""
    above = node.parent
    while above is not None:
        pattern = above.child_by_field_name("pattern") if above.type == "let_binding" else None
        if pattern is not None and text(pattern) == name:
            return True
        above = above.parent
    return False


def _is_offset(node: tree_sitter.Node) -> bool:
    above = node.parent
    operator = above.child_by_field_name("operator") if above is not None else None
    return (
        above is not None
        and operator is not None
        and above.type == "infix_expression"
        and text(operator) in {"+", "-"}
        and above.child_by_field_name("right") == node
        and _NUMBER.fullmatch(text(node)) is not None
    )


def _short(node: tree_sitter.Node) -> bool:
    return node.end_point.row - node.start_point.row < _MOST_LINES and not has_comment(node)
