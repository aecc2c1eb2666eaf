"""What the definitions of an OCaml text come to: whether their bodies can do anything but raise.

A text that the parser does not wholly understand has no definitions here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter

from greenloop.workspace.remembered import remembered
from greenloop.workspace.syntax import Language, parsed
from greenloop.workspace.tokens import tokens

RAISING = frozenset((b"failwith", b"invalid_arg", b"raise", b"raise_notrace"))
"""Each has every type, so it silences any type error."""

_RAISES = re.compile(rb"\b(?:failwith|invalid_arg|raise|raise_notrace|assert)\b")

_JUDGING = frozenset(("compare", "equal", "check", "check_raises", "test_case", "assert_equal"))
_MAX_DEPTH = 100
"""Nesting beyond which an expression is not looked into: hostile text must not exhaust our stack."""
_HOLDERS = frozenset(
    ("value_definition", "module_definition", "module_binding", "structure", "include_module", "functor",
     "parenthesized_module_expression", "typed_module_expression")
)  # fmt: skip
_EAGER = frozenset(
    ("parenthesized_expression", "typed_expression", "sequence_expression", "then_clause", "else_clause",
     "let_open_expression", "local_open_expression", "tuple_expression", "argument", "application_expression")
)  # fmt: skip
_MARKS = frozenset((b"(", b")", b"~", b"?", b":", b",", b"=", b"{", b"}", b";", b"[", b"]", b"|"))


@dataclass(frozen=True, slots=True)
class Bodies:
    """What the values that a text defines, at its top or in a module, come to.

    ``stubs``: how many do nothing but raise, and name none of their parameters in what they raise. ``blind``: how
    many equalities, comparisons and checks have two parameters or more and ignore them all.
    """

    defined: frozenset[str]
    raising: frozenset[str]
    """Those of ``defined`` that do nothing but raise."""
    stubs: int
    blind: int
    understood: bool
    """Whether the text parses; one that does not has nothing here, and is not to be compared with."""


@remembered
def bodies(source: bytes) -> Bodies:
    """Read a text."""
    root = parsed(source, Language.OCAML)
    definitions = [] if root is None else [(name, binding, _body(binding)) for name, binding in _definitions(root)]
    # most spell nothing that raises: then no expression need be looked into
    raising = [found for found in definitions if _RAISES.search(found[1].text or b"") and _diverges(found[2])]
    return Bodies(
        defined=frozenset(name for name, _, _ in definitions),
        raising=frozenset(name for name, _, _ in raising),
        stubs=sum(1 for _, binding, body in raising if not _parameters(binding) & _words(body)),
        blind=sum(1 for name, binding, _ in definitions if _is_blind(name, binding)),
        understood=root is not None,
    )


def _is_blind(name: str, binding: tree_sitter.Node) -> bool:
    if name not in _JUDGING and not name.startswith(("equal_", "compare_")):
        return False
    parameters = [child for child in binding.children if child.type == "parameter"]
    return len(parameters) > 1 and not any(_words(parameter) - {b"_"} for parameter in parameters)


def _definitions(root: tree_sitter.Node) -> Iterator[tuple[str, tree_sitter.Node]]:
    """Yield (name, binding) of each value defined at the top, or in a module: never inside an expression."""
    work = [root]
    while work:
        node = work.pop()
        for child in node.named_children:
            if child.type == "let_binding":
                name = child.children[0]
                if name.type in {"value_name", "parenthesized_operator"}:
                    yield (name.text or b"").decode("utf-8", "replace"), child
            elif child.type in _HOLDERS:
                work.append(child)


def _body(binding: tree_sitter.Node) -> tree_sitter.Node | None:
    """Return what a binding stands for, functions looked through."""
    node: tree_sitter.Node | None = binding.named_children[-1] if len(binding.named_children) > 1 else None
    while node is not None and node.type in {"fun_expression", "parenthesized_expression", "typed_expression"}:
        inner = [child for child in node.named_children if child.type not in {"comment", "parameter", "attribute"}]
        node = inner[0 if node.type == "typed_expression" else -1] if inner else None
    return node


def _diverges(node: tree_sitter.Node | None, depth: int = 0) -> bool:
    """Whether every way through an expression raises. Says no where it cannot tell."""
    if node is None or depth > _MAX_DEPTH:
        return False
    if _raises_at_once(node):
        return True
    ways = _ways(node)
    return bool(ways) and all(any(_diverges(part, depth + 1) for part in way) for way in ways)


def _raises_at_once(node: tree_sitter.Node) -> bool:
    children = _children(node)
    if node.type == "assert_expression":
        return bool(children) and children[-1].text in {b"false", b"(false)"}
    if node.type == "application_expression":
        return _name(children[0]) in RAISING
    if node.type == "infix_expression":
        called = {b"@@": children[0], b"|>": children[-1]}.get(_operator(node))
        return called is not None and _name(called) in RAISING
    return False


def _ways(node: tree_sitter.Node) -> list[list[tree_sitter.Node]]:
    """Return what is surely evaluated on each way through an expression; nothing where that cannot be told."""
    children = _children(node)
    cases = [[_children(child)[-1]] for child in children if child.type == "match_case"]
    if node.type in {"match_expression", "function_expression"}:
        return cases
    if node.type == "try_expression":
        return [children[:1], *cases]
    if node.type == "if_expression":
        return [[child] for child in children[1:]] if len(children) > 2 else []
    if node.type == "infix_expression":
        return [children[:1] if _operator(node) in {b"&&", b"||"} else children]
    if node.type == "let_expression":
        bindings = [b for child in children for b in child.named_children if b.type == "let_binding"]
        eager = [b for b in bindings if not any(child.type == "parameter" for child in b.children)]
        return [[*children[1:], *(_children(b)[-1] for b in eager if len(_children(b)) > 1)]]
    return [children] if node.type in _EAGER else []


def _children(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    return [child for child in node.named_children if child.type not in {"comment", "attribute"}]


def _operator(node: tree_sitter.Node) -> bytes:
    return next((child.text or b"" for child in node.children if child.type.endswith("operator")), b"")


def _name(node: tree_sitter.Node) -> bytes:
    """Return the last step of a path such as ``Stdlib.raise``, or nothing for any other expression."""
    return (node.text or b"").rpartition(b".")[2] if node.type == "value_path" else b""


def _parameters(binding: tree_sitter.Node) -> frozenset[bytes]:
    """Return the names that the parameters of a definition bind, those of a ``fun`` included."""
    names: set[bytes] = set()
    node: tree_sitter.Node | None = binding
    while node is not None:
        for child in node.named_children:
            if child.type == "parameter":
                names |= _words(child)
        last = node.named_children[-1] if node.named_children else None
        inside = last is not None and last.type in {"fun_expression", "parenthesized_expression", "typed_expression"}
        node = last if inside else None
    return frozenset(names - {b"_"})


def _words(node: tree_sitter.Node | None) -> frozenset[bytes]:
    """Return the words of an expression; a label with its colon is no word of its own."""
    held = () if node is None else tokens(node.text or b"", Language.OCAML)
    return frozenset(word for word in held if word[-1:] != b":" or word[:1] not in b"~?") - _MARKS
