"""A token replaced by another one: an operator, a keyword, a name in scope, a constant, a literal of another type."""

from collections.abc import Iterator

from greenloop.candidates.mechanical.kinds import Kind, shape_of
from greenloop.candidates.mechanical.site import Change, Site
from greenloop.candidates.mechanical.tables import Table

_VALUES = frozenset(
    {Kind.NAME, Kind.INTEGER, Kind.FLOAT, Kind.STRING, Kind.CHARACTER, "true", "false", "_"}
)  # what a name or a constant may stand in for


def replacing(site: Site, table: Table) -> Iterator[Change]:
    """Yield every replacement of one token; of a pair of brackets with nothing in it too, and of a list's commas."""
    for place in range(site.begin, site.stop):
        yield from _tokens(site, table, place)
        if site.kinds[place] in {"[", "("} and place + 1 < site.stop and site.kinds[place + 1] in {"]", ")"}:
            yield from _values(site, table, place, place + 2, site.kinds[place] + site.kinds[place + 1])
        if site.kinds[place] == "[":
            yield from _separators(site, place)
    yield from _joined(site)


def _tokens(site: Site, table: Table, place: int) -> Iterator[Change]:
    kind = site.kinds[place]
    for other in table.instead.get(kind, ()):
        yield site.replacement(place, place + 1, other.encode(), "replace", f"{kind} => {other}")
    if kind in _VALUES:
        yield from _values(site, table, place, place + 1, shape_of(site.tokens[place].text, site.language))
    elif kind == Kind.CONSTRUCTOR:
        for rank, text in enumerate(site.constructors):
            if text != site.tokens[place].text:
                yield site.replacement(place, place + 1, text, "replace", "constructor => constructor", rank)
    yield from _literal(site, place)


def _values(site: Site, table: Table, first: int, last: int, old: str) -> Iterator[Change]:
    spelled = site.text(first, last)
    for rank, text in enumerate(site.names):
        if text != spelled:
            yield site.replacement(first, last, text, "replace", f"{old} => name", rank)
    for constant in table.constants:
        if constant.encode() != spelled:
            yield site.replacement(first, last, constant.encode(), "replace", f"{old} => {constant}")
    for known in table.library:
        if known.encode() != spelled:
            yield site.replacement(first, last, known.encode(), "replace", f"{old} => {known}")


def _literal(site: Site, place: int) -> Iterator[Change]:
    """The same literal as one of another type: ``1`` and ``1.``, ``'a'`` and ``"a"``, ``1`` and ``"1"``."""
    text, kind = site.tokens[place].text, site.kinds[place]
    others: tuple[bytes, ...] = ()
    if kind == Kind.INTEGER:
        others = (text + b".0", b'"' + text + b'"')
    elif kind == Kind.FLOAT and text.partition(b".")[2].strip(b"0") == b"":
        others = (text.partition(b".")[0],)
    elif kind == Kind.CHARACTER:
        others = (b'"' + text[1:-1] + b'"',)
    elif kind == Kind.STRING and len(text) == 3 and text[1:2].isalnum():
        others = (b"'" + text[1:2] + b"'", text[1:2])
    elif kind == Kind.NAME:
        others = (b'"' + text + b'"', b"'" + text + b"'") if len(text) == 1 else (b'"' + text + b'"',)
    for other in others:
        yield site.replacement(place, place + 1, other, "literal", f"{kind} => {shape_of(other, site.language)}")


def _separators(site: Site, place: int) -> Iterator[Change]:
    """All commas of a list replaced by semicolons at once."""
    depth, commas, end = 0, [], place + 1
    while end < len(site.tokens) and end < place + 80:
        kind = site.kinds[end]
        depth += (kind in {"[", "(", "{"}) - (kind in {"]", ")", "}"})
        if depth < 0:
            break
        if depth == 0 and kind == ",":
            commas.append(end)
        end += 1
    if len(commas) > 1 and end < len(site.tokens):
        at, pieces = site.tokens[commas[0]].start, []
        for comma in commas:
            pieces += [site.source[at : site.tokens[comma].start], b";"]
            at = site.tokens[comma].end
        yield site.replacement(commas[0], commas[-1] + 1, b"".join(pieces), "all", ", => ;")


def _joined(site: Site) -> Iterator[Change]:
    """Two tokens that a blank parts, or that a slip made of one: ``- >``, ``< =``, ``' a``."""
    for place in range(site.begin, site.stop - 1):
        pair = site.kinds[place] + site.kinds[place + 1]
        if pair in {"->", "<=", ">=", "::", "<>", "||", "&&", ";;", ":="}:
            yield site.replacement(place, place + 2, pair.encode(), "join", f"join {pair}")
        if site.kinds[place] == "'" and site.kinds[place + 1] == Kind.NAME:
            for text in (b"0", b'"' + site.tokens[place + 1].text + b'"', site.tokens[place + 1].text):
                rule = f"' name => {shape_of(text, site.language)}"
                yield site.replacement(place, place + 2, text, "join", rule)
