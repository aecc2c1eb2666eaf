"""Constructors: a wrong one, and one with more or fewer arguments than it takes."""

from collections.abc import Iterator

import tree_sitter

from greenloop.mining.synthetic.code import Mutant, Patch, drawn, replaced, text
from greenloop.mining.synthetic.project import Constructor, Project


def wrong(project: Project) -> Iterator[Mutant]:
    """Put a constructor of another type in the place of one that only this one can stand for again.

    In an expression that is the only one of its type with as many arguments; in a pattern, the one that the other
    cases leave out.
    """
    for code in project.implementations:
        for path in code.nodes("constructor_path"):
            name = _name(path)
            known = project.constructor(text(name)) if name is not None else None
            if name is None or known is None or not _only_answer(project, path, known):
                continue
            others = project.strangers(known, code.path)
            if others:
                other = others[drawn(project.seed, code.path, path.start_byte) % len(others)]
                yield code.mutant("wrong-constructor", path, replaced(path, other.name))


def fewer(project: Project) -> Iterator[Mutant]:
    """Leave out what a constructor's pattern binds: all of it, or the last of several."""
    for code in project.implementations:
        for pattern in code.nodes("constructor_pattern"):
            inner = pattern.child_by_field_name("pattern")
            if inner is None:
                continue
            if inner.type in {"value_pattern", "any_pattern"}:
                before = inner.prev_sibling
                if before is not None:
                    yield code.mutant("constructor-without", pattern, Patch(before.end_byte, inner.end_byte, b""))
            elif (last := _last_of_tuple(inner)) is not None:
                comma, node = last
                yield code.mutant("constructor-fewer", pattern, Patch(comma.start_byte, node.end_byte, b""))


def more(project: Project) -> Iterator[Mutant]:
    """Give an argument to a constructor that takes none, in a pattern."""
    for code in project.implementations:
        for path in code.nodes("constructor_path"):
            name = _name(path)
            known = project.constructor(text(name)) if name is not None else None
            if known is not None and known.arity == 0 and _is_whole_pattern(path):
                yield code.mutant("constructor-more", path, Patch(path.end_byte, path.end_byte, b" x"))


def _name(path: tree_sitter.Node) -> tree_sitter.Node | None:
    last = path.children[-1] if path.children else None
    return last if last is not None and last.type == "constructor_name" else None


def _is_whole_pattern(path: tree_sitter.Node) -> bool:
    above = path.parent
    return above is not None and above.type == "match_case" and above.child_by_field_name("pattern") == path


def _only_answer(project: Project, path: tree_sitter.Node, known: Constructor) -> bool:
    above = path.parent
    pattern = above if above is not None and above.type == "constructor_pattern" else path
    case = pattern.parent
    if case is not None and case.type == "match_case" and case.child_by_field_name("pattern") == pattern:
        others = [one for one in _constructors_of(case.parent) if one != known.name]
        return {one.name for one in project.siblings(known)} == {known.name, *others}
    alike = [one for one in project.siblings(known) if one.arity == known.arity]
    return alike == [known] and "pattern" not in (above.type if above is not None else "")


def _constructors_of(match: tree_sitter.Node | None) -> Iterator[str]:
    for case in match.children if match is not None else ():
        pattern = case.child_by_field_name("pattern") if case.type == "match_case" else None
        if pattern is None:
            continue
        path = pattern.children[0] if pattern.type == "constructor_pattern" else pattern
        name = _name(path) if path.type == "constructor_path" else None
        if name is not None:
            yield text(name)


def _last_of_tuple(inner: tree_sitter.Node) -> tuple[tree_sitter.Node, tree_sitter.Node] | None:
    held = next((one for one in inner.children if one.type == "tuple_pattern"), None)
    if held is None or held.child_count < 3:
        return None
    return held.children[-2], held.children[-1]
