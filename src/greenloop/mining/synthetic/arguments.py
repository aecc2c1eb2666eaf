"""Arguments: two that changed places."""

from collections.abc import Iterator
from itertools import pairwise

import tree_sitter

from greenloop.mining.synthetic.code import Mutant, has_comment, replaced, text
from greenloop.mining.synthetic.project import Project

_FUNCTIONS = frozenset({"value_path", "parenthesized_operator"})
_MOST_BYTES = 60


def swapped(project: Project) -> Iterator[Mutant]:
    """Swap two neighbouring arguments of a named function: their types differ by its interface, or may differ."""
    for code in project.implementations:
        for call in code.nodes("application_expression"):
            function = call.child_by_field_name("function")
            if function is None or function.type not in _FUNCTIONS:
                continue
            plain = [one for one in call.children_by_field_name("argument") if one.type != "labeled_argument"]
            kinds = project.parameters(code, function)
            for place, (left, right) in enumerate(pairwise(plain)):
                if kinds is not None and place + 1 < len(kinds) and kinds[place] == kinds[place + 1]:
                    continue
                if _movable(left) and _movable(right) and text(left) != text(right):
                    patches = (replaced(left, text(right)), replaced(right, text(left)))
                    yield code.mutant("swapped-arguments", call, *patches)


def _movable(node: tree_sitter.Node) -> bool:
    return node.end_byte - node.start_byte <= _MOST_BYTES and not has_comment(node)
