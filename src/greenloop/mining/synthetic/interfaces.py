"""Interfaces: an ``.mli`` that no longer fits its ``.ml``."""

from collections.abc import Iterator

from greenloop.mining.synthetic.code import Code, Mutant, cut, drawn, inside, replaced, text
from greenloop.mining.synthetic.project import Project
from greenloop.mining.synthetic.spelling import misspelt

_OTHER = {
    "int": ("string", "float", "bool"), "string": ("int", "char"), "bool": ("int", "unit"), "unit": ("bool", "int"),
    "float": ("int",), "char": ("string", "int"), "list": ("option", "array"), "option": ("list",),
    "array": ("list",), "result": ("option",),
}  # fmt: skip
_TYPES = ("int", "string", "bool")
_MOST_LINES = 2


def retyped(project: Project) -> Iterator[Mutant]:
    """Change one type in what an interface says of a value, or in a type that both files spell out."""
    for code in project.interfaces:
        yield from _retyped(project, code, "interface-type", ("value_specification", "type_binding"))
    modules = {code.path.removesuffix("i") for code in project.interfaces}
    for code in project.implementations:
        if code.path in modules:
            yield from _retyped(project, code, "implementation-type", ("constructor_declaration", "field_declaration"))


def _retyped(project: Project, code: Code, kind: str, around: tuple[str, ...]) -> Iterator[Mutant]:
    for node in code.nodes("type_constructor"):
        # `name: t` of a binding is a definition, no use
        above = node.parent
        if (
            above is None
            or above.type != "type_constructor_path"
            or len(above.children) > 1
            or not inside(node, *around)
        ):
            continue
        others = _OTHER.get(text(node)) or (
            _TYPES if above.parent is None or above.parent.type != "constructed_type" else ()
        )
        if others:
            other = others[drawn(project.seed, code.path, node.start_byte) % len(others)]
            yield code.mutant(kind, node, replaced(node, other))


def renamed(project: Project) -> Iterator[Mutant]:
    """Misspell a value in an interface: its implementation and its users know it by another name."""
    for code in project.interfaces:
        for spec in code.nodes("value_specification"):
            name = next((one for one in spec.children if one.type == "value_name"), None)
            wrong = misspelt(text(name), project, code.path, spec.start_byte) if name is not None else None
            if name is not None and wrong is not None:
                yield code.mutant("interface-name", name, replaced(name, wrong))


def left_out(project: Project) -> Iterator[Mutant]:
    """Leave a value out of an interface that another file names; it has no comment that would be left alone."""
    for code in project.interfaces:
        for spec in code.nodes("value_specification"):
            name = next((one for one in spec.children if one.type == "value_name"), None)
            beside = (spec.prev_sibling, spec.next_sibling)
            if name is None or any(one is not None and one.type == "comment" for one in beside):
                continue
            if spec.end_point.row - spec.start_point.row < _MOST_LINES and _used(project, code, text(name)):
                yield code.mutant("interface-left-out", spec, cut(code.source, spec.start_byte, spec.end_byte))


def _used(project: Project, interface: Code, name: str) -> bool:
    path = interface.path.removesuffix("i")
    return any(code.path != path and name in code.words for code in project.implementations)
