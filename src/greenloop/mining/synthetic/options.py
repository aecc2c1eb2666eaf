"""Options: ``Some`` dropped, added, or not matched on."""

from collections.abc import Iterator

import tree_sitter

from greenloop.mining.synthetic.code import Mutant, inside, replaced, text
from greenloop.mining.synthetic.project import Project

_PLAIN = frozenset({"value_path", "number", "string", "boolean"})
_MOST_BYTES = 60


def dropped(project: Project) -> Iterator[Mutant]:
    """Write ``e`` for ``Some e``."""
    for code in project.implementations:
        for call in code.nodes("application_expression"):
            function = call.child_by_field_name("function")
            argument = call.child_by_field_name("argument")
            if function is None or argument is None or text(function) != "Some":
                continue
            if argument.end_byte - argument.start_byte <= _MOST_BYTES:
                yield code.mutant("some-dropped", call, replaced(call, text(argument)))


def added(project: Project) -> Iterator[Mutant]:
    """Write ``Some e`` for an ``e`` that a function takes or that a branch gives."""
    for code in project.implementations:
        for call in code.nodes("application_expression"):
            function = call.child_by_field_name("function")
            if function is None or function.type != "value_path":
                continue
            for argument in call.children_by_field_name("argument"):
                if argument.type in _PLAIN:
                    yield code.mutant("some-added", argument, replaced(argument, f"(Some {text(argument)})"))
        for branch in code.nodes("then_clause", "else_clause"):
            value = branch.child_by_field_name("expression")
            if value is not None and value.type in _PLAIN:
                yield code.mutant("some-added", value, replaced(value, f"Some {text(value)}"))


def unmatched(project: Project) -> Iterator[Mutant]:
    """Take the option itself for what it holds: the pattern ``x`` for ``Some x``."""
    for code in project.implementations:
        for pattern in code.nodes("constructor_pattern"):
            inner = pattern.child_by_field_name("pattern")
            if inner is not None and _is_some(pattern) and not inside(pattern, "parameter"):
                yield code.mutant("option-unmatched", pattern, replaced(pattern, text(inner)))


def _is_some(pattern: tree_sitter.Node) -> bool:
    return bool(pattern.children) and text(pattern.children[0]) == "Some"
