"""Names that nothing defines: by a slip of the fingers, or by a definition that was renamed without its uses."""

import re
from collections.abc import Iterator

import tree_sitter

from greenloop.mining.synthetic.code import Code, Mutant, drawn, inside, replaced, text
from greenloop.mining.synthetic.project import Project

_LEAST_LETTERS = 4
"""Of a shorter name a slip leaves too little to be recognised by."""
_LEAST_USES = 2
"""With one use, who says whether the use or the definition is to change?"""
_IDENTIFIER = re.compile(r"[A-Za-z_][\w']*")
_SIGNS = ("'", "2", "_")
_USED = {"value_path": "value_name", "constructor_path": "constructor_name", "field_path": "field_name"}


def slips(project: Project) -> Iterator[Mutant]:
    """Misspell one use of a value, a constructor, a field or a module."""
    for code in project.implementations:
        for around, kind in _USED.items():
            for path in code.nodes(around):
                name = path.children[-1] if path.children else None
                if name is not None and name.type == kind:
                    yield from _slip(project, code, name, f"typo-{kind.removesuffix('_name')}")
        for path in code.nodes("module_path"):
            name = path.children[-1] if path.children else None
            if name is not None and name.type == "module_name":
                yield from _slip(project, code, name, "typo-module")


def _slip(project: Project, code: Code, name: tree_sitter.Node, kind: str) -> Iterator[Mutant]:
    wrong = misspelt(text(name), project, code.path, name.start_byte)
    if wrong is not None:
        yield code.mutant(kind, name, replaced(name, wrong))


def renamed(project: Project) -> Iterator[Mutant]:
    """Rename what a ``let`` or a parameter binds, and none of its uses."""
    for code in project.implementations:
        for binding in code.nodes("let_binding", "parameter"):
            pattern = binding.child_by_field_name("pattern")
            if pattern is None or pattern.type not in {"value_name", "value_pattern"} or text(pattern).startswith("_"):
                continue
            if binding.type == "parameter" and binding.children[0].type in {"~", "?"}:
                continue  # a label is a name for its callers too
            scope = _scope(code, binding)
            named = (one for one in code.nodes("value_path") if text(one) == text(pattern) and _within(one, scope))
            if len([one for one in named if one.start_byte > pattern.end_byte]) < _LEAST_USES:
                continue
            kind = "renamed-parameter" if binding.type == "parameter" else "renamed-definition"
            sign = _SIGNS[drawn(project.seed, code.path, pattern.start_byte) % len(_SIGNS)]
            other = f"{text(pattern)}{sign}"
            if other not in project.words:
                yield code.mutant(kind, pattern, replaced(pattern, other))


def without_rec(project: Project) -> Iterator[Mutant]:
    """Leave out the ``rec`` of a definition that names itself."""
    for code in project.implementations:
        for definition in code.nodes("value_definition"):
            rec = next((one for one in definition.children if one.type == "rec"), None)
            binding = next((one for one in definition.children if one.type == "let_binding"), None)
            pattern = binding.child_by_field_name("pattern") if binding is not None else None
            if rec is None or pattern is None or rec.next_sibling is None:
                continue
            if any(text(one) == text(pattern) and _within(one, definition) for one in code.nodes("value_path")):
                gone = replaced(rec, "")
                whole = type(gone)(gone.start, rec.next_sibling.start_byte, b"")
                yield code.mutant("missing-rec", rec, whole)


def misspelt(name: str, project: Project, *place: object) -> str | None:
    """Return a misspelling of ``name`` that no file of the project spells; ``None`` where the name is too short."""
    if len(name) < _LEAST_LETTERS or not name.isascii() or not _IDENTIFIER.fullmatch(name):
        return None
    first = drawn(project.seed, name, *place)
    ways = tuple(dict.fromkeys(_ways(name)))
    for step in range(len(ways)):
        wrong = ways[(first + step) % len(ways)]
        if wrong != name and wrong not in project.words and _IDENTIFIER.fullmatch(wrong):
            return wrong
    return None


def _ways(name: str) -> Iterator[str]:
    """Yield two letters that changed places, a letter left out, a letter typed twice; the first letter stays."""
    for at in range(1, len(name)):
        if at + 1 < len(name):
            yield name[:at] + name[at + 1] + name[at] + name[at + 2 :]
        yield name[:at] + name[at + 1 :]
        yield name[:at] + name[at] + name[at:]


def _scope(code: Code, binding: tree_sitter.Node) -> tree_sitter.Node:
    if binding.type == "parameter":
        return binding.parent or code.root
    definition = binding.parent
    if definition is not None and definition.parent is not None and inside(binding, "let_expression"):
        return definition.parent
    return code.root


def _within(node: tree_sitter.Node, scope: tree_sitter.Node) -> bool:
    return scope.start_byte <= node.start_byte and node.end_byte <= scope.end_byte
