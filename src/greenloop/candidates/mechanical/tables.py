"""What is known of OCaml: which tokens people take for which, and what they forget.

The tables say what is tried; how likely each is stands in the weights. For a language that is not in ``TABLES`` there
is little but what its own text offers.
"""

from dataclasses import dataclass, field

from greenloop.workspace.syntax import Language

_ARITHMETIC = "+ - * / mod"
_FLOATING = "+. -. *. /. **"
_JOINING = ":: @ ^"
_COMPARING = "= <> < > <= >= == !="


@dataclass(frozen=True, slots=True)
class Table:
    """What one language's edits draw from; each text as it is written.

    ``instead``: token → what may stand in its place. ``constants``: what may stand in the place of a value.
    ``inserts``: what may be missing anywhere. ``calls``: conversions put around a value. ``library``: names that need
    no definition. ``missing``: what may be missing in a syntax error alone.
    """

    instead: dict[str, tuple[str, ...]] = field(default_factory=dict)
    constants: tuple[str, ...] = ()
    inserts: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    library: tuple[str, ...] = ()


def _each_other(*groups: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for group in groups:
        words = group.split()
        for word in words:
            held = found.setdefault(word, [])
            held.extend(other for other in words if other != word and other not in held)
    return {word: tuple(others) for word, others in found.items()}


_OCAML = Table(
    instead=_each_other(
        f"{_ARITHMETIC} {_FLOATING}",
        f"{_JOINING} +",
        ":: , ;",
        f"{_COMPARING}",
        "&& & and ||",
        "|| | or",
        "= -> :: :",
        "- ->",
        "% mod",
        "; ;; in",
        "fun function",
        ". ; ,",
        "match let",
        "then else in",
        "= <- :=",
        "! not",
        "[] ()",
        "=> ->",
        "_ 0",
        "let fun",
        "with then",
    ),
    constants=("0", "1", "[]", '""', "0.0", "true", "false", "()", "fun x -> x", "_"),
    inserts=(
        "rec", "()", ";;", "not", "else 0", "else []", ":: []", "_ ,", ", []", ", 0", "fun x ->", "in", "-", "_",
        "else false", "@", "::", "+", "*", "/", "^", ",", "[]", "0", '""',
    ),
    missing=(
        ")", "(", "]", "[", "in", "fun", "then", "else", "=", "->", "let", "function", "|", ";;", ";", "with", "end",
        "begin", "-> x", "-> 0", "_ ->", "| _ ->", "match", "done", "if", ",", '"',
    ),
    calls=("string_of_int", "float_of_int", "int_of_float", "int_of_string", "string_of_float", "String.make 1"),
    library=(
        "List.rev", "List.length", "List.append", "List.hd", "List.tl", "List.map", "List.fold_left", "fst", "snd",
        "abs", "not", "mod", "ref", "max", "min",
    ),
)  # fmt: skip

TABLES = {Language.OCAML: _OCAML}
"""Language → its table."""
NOTHING = Table(instead=_each_other("+ - * /", "== != < > <= >= =", ", ;"))
"""The table of a language that has none."""


def table_of(language: Language | None) -> Table:
    """Return the table of a language."""
    return NOTHING if language is None else TABLES.get(language, NOTHING)
