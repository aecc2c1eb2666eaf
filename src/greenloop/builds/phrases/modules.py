"""Which members of the standard library's dangerous modules an OCaml text reaches, by whatever name for the module.

A module is **handed over** where a module expression names it whole: opened, included, bound to another name, given to
a functor or packed. Its members may then go by any module that the text itself defines, or by no module at all.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

OPENING = frozenset(
    (b"(", b"[", b"{", b"[@", b"[@@", b"[@@@", b"[%", b"[%%", b"[|", b"{<", b"begin", b"struct", b"sig", b"object")
)
CLOSING = frozenset((b")", b"]", b"}", b"|]", b">}", b"end"))
_UNIX = frozenset((b"Unix", b"UnixLabels", b"ThreadUnix"))
_SYS = frozenset((b"Sys",))
_MARSHAL = frozenset((b"Marshal",))
_MEMBERS: tuple[tuple[str, AbstractSet[bytes], AbstractSet[bytes]], ...] = (
    ("exit", _UNIX, frozenset((b"kill", b"alarm"))),
    ("exit", _SYS, frozenset((b"signal",))),
    ("shell", _UNIX, frozenset((b"system",))),
    ("shell", _SYS, frozenset((b"command",))),
    ("unsafe", _MARSHAL, frozenset((b"from_string", b"from_channel", b"from_bytes"))),
)
"""Flag, modules, members. Other modules have members of these names too."""
_PROCESSES = frozenset(
    (b"open_process", b"open_process_in", b"open_process_out", b"open_process_full", b"open_process_args",
     b"open_process_args_in", b"open_process_args_out", b"open_process_args_full", b"create_process",
     b"create_process_env")
)  # fmt: skip
"""Nobody else's: they count wherever the text names their module."""
_UNSAFE = frozenset((b"Obj", b"Marshal", b"Dynlink", b"CamlinternalOO", b"CamlinternalFormat"))
"""Modules that nobody hands over without a need for what is unsafe in them."""
_KNOWN = _UNIX | _SYS | _UNSAFE
_NAMES = frozenset[bytes]().union(*(names for _, _, names in _MEMBERS))
# after these no module expression goes on
_ITEMS = frozenset((b"let", b"in", b"val", b"type", b"exception", b"external", b"class", b";;", b"method", b"inherit"))


@dataclass(slots=True)
class _Reading:
    """What one pass over a text finds."""

    handed: Counter[bytes] = field(default_factory=Counter)
    opened: set[bytes] = field(default_factory=set)
    defined: set[bytes] = field(default_factory=set)
    uses: list[tuple[bytes, bytes, frozenset[bytes]]] = field(default_factory=list)
    """(member, the module before its dot or nothing, modules that are open around it)."""


def reached(code: Sequence[bytes]) -> Counter[str]:
    """Return flag → how many members of a module that deserve it the text names, and modules it hands over whole."""
    found: Counter[str] = Counter()
    named = _KNOWN & frozenset(code)
    if not named:
        return found
    reading = _read(code)
    found["unsafe"] += sum(reading.handed[module] for module in _UNSAFE)
    if named & _UNIX:
        found["shell"] += sum(1 for token in code if token in _PROCESSES)
    for flag, modules, names in _MEMBERS:
        if modules & named:
            # once it is handed over, any module of the text's own may be it
            given = any(reading.handed[module] for module in modules)
            here = modules | reading.defined if given else modules
            opened = bool(reading.opened & here)
            for name, module, around in reading.uses:
                if name in names:
                    found[flag] += module in here if module else opened or bool(around & here)
    return found


def plain(code: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return the tokens with the standard library's modules under their usual names: ``Stdlib__Obj`` is ``Obj``."""
    if not any(token.startswith(b"Stdlib__") for token in code):
        return code
    return tuple(token.removeprefix(b"Stdlib__") or token for token in code)


def _read(code: Sequence[bytes]) -> _Reading:
    found = _Reading()
    inside = b""  # the word that began the module expression around a place, if any
    outer: list[tuple[bytes, bytes]] = []  # of each bracket: what was ``inside`` before it, the module it opens
    around: Counter[bytes] = Counter()
    for place, token in enumerate(code):
        before = code[place - 1] if place else b""
        if token in OPENING:
            local = code[place - 2] if before == b"." and place > 1 and code[place - 2][:1].isupper() else b""
            outer.append((inside, local))
            around[local] += 1
            if token != b"(":
                inside = b""
        elif token in CLOSING:
            if outer:
                inside, local = outer.pop()
                around[local] -= 1
        elif token in {b"module", b"open", b"include"}:
            inside = token
        elif token in _ITEMS:
            # `S with type t = int = M` and `module type of M` go on
            inside = inside if token == b"type" and before in {b"with", b"and", b"module"} else b""
        elif token in _NAMES:
            module = code[place - 2] if before == b"." and place > 1 else b""
            if before not in {b"let", b"rec", b"and", b"val", b"method"}:
                found.uses.append(
                    (token, module, frozenset(held for held, number in around.items() if number and held))
                )
        elif token[:1].isupper():
            _name(found, code, place, inside)
    return found


def _name(found: _Reading, code: Sequence[bytes], place: int, inside: bytes) -> None:
    """Take in a capitalised name, which stands in a module expression that ``inside`` began, or in none."""
    name, before, after = code[place], code[place - 1 : place], code[place + 1 : place + 2]
    packed = before == (b"module",) and code[place - 2 : place - 1] == (b"(",)
    if packed or (before == (b"(",) and after == (b":",)):
        found.defined.add(name)  # a parameter, unless it is an argument
        _hand(found, name, inside)
    elif before in ((b"module",), (b"rec",), (b"and",), (b"type",)):
        found.defined.add(name)
    elif after != (b".",):
        _hand(found, name, inside)


def _hand(found: _Reading, name: bytes, inside: bytes) -> None:
    if inside and name in _KNOWN:
        found.handed[name] += 1
    if inside in {b"open", b"include"}:
        found.opened.add(name)


def binding_patterns(code: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Yield what each ``let`` or ``and`` binds: a name or an operator without its parameters, or a whole pattern."""
    ends = _ends(code)
    for place, token in enumerate(code):
        if token in {b"let", b"and"}:
            yield _pattern(code, _head(code, place + 1, ends), ends)


def _ends(code: Sequence[bytes]) -> Mapping[int, int]:
    """Return opening bracket → the place behind its closing one."""
    ends: dict[int, int] = {}
    work: list[int] = []
    for place, token in enumerate(code):
        if token in OPENING:
            work.append(place)
        elif token in CLOSING and work:
            ends[work.pop()] = place + 1
    return ends


def _head(code: Sequence[bytes], place: int, ends: Mapping[int, int]) -> int:
    """Return where the pattern begins: behind ``rec``, attributes, an extension's name, the rest of ``let*``."""
    while place < len(code):
        token = code[place]
        if token == b"[@" and place in ends:
            place = ends[place]
        elif token.startswith(b"%"):
            place += 2
            while code[place : place + 1] == (b".",):
                place += 2
        elif token == b"rec" or token[:1] in b"!$&*+-/<=>@^|":
            place += 1
        else:
            break
    return place


def _pattern(code: Sequence[bytes], place: int, ends: Mapping[int, int]) -> Sequence[bytes]:
    word = code[place : place + 1]
    operator = word == (b"(",) and code[place + 2 : place + 3] == (b")",)
    behind = place + 3 if operator else place + 1
    while code[behind : behind + 1] == (b"[@",) and behind in ends:
        behind = ends[behind]
    simple = operator or (word not in ((), (b"lazy",)) and (word[0][:1].islower() or word[0][:1] == b"_"))
    if simple and code[behind : behind + 1] not in ((b",",), (b"as",), (b"::",), (b"|",)):
        return code[place:behind]
    held: list[bytes] = []
    depth = 0
    while place < len(code):
        token = code[place]
        if token in {b"[@", b"[%"} and place in ends:
            place = ends[place]
            continue
        # no pattern holds these: a broken text, or `and` that goes on with types
        if (token == b"=" and not depth) or token in {b"let", b"in", b"sig", b"struct", b"fun", b"function", b";;"}:
            break
        if token == b"and" and code[place + 1 : place + 2] not in ((b"type",), (b"module",)):
            break
        depth += (token in OPENING) - (token in CLOSING)
        held.append(token)
        place += 1
    return held
