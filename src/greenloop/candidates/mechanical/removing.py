"""What stands there too much: a token, a pair of brackets, an operator with its operand."""

from collections.abc import Iterator

from greenloop.candidates.mechanical.kinds import ATOMS, OPENING, shape_of
from greenloop.candidates.mechanical.runs import closing_of
from greenloop.candidates.mechanical.site import Change, Site

_LONGEST = 12


def removing(site: Site) -> Iterator[Change]:
    """Yield removals: of each token, of brackets around what stays, and of two or three tokens that belong together."""
    for place in range(site.begin, site.stop):
        yield _without(site, place, place + 1, f"remove {shape_of(site.tokens[place].text, site.language)}")
        closing = closing_of(site, place, _LONGEST)
        if site.kinds[place] in OPENING and closing is not None and closing > place + 1:
            inner = site.source[site.tokens[place].end : site.tokens[closing].start]
            rule = f"unwrap {site.kinds[place]}"
            yield site.replacement(place, closing + 1, b" " + inner + b" ", "remove", rule)
        yield from _pairs(site, place)


def _pairs(site: Site, place: int) -> Iterator[Change]:
    kinds = site.kinds
    if place + 1 >= len(kinds):
        return
    left, right = kinds[place], kinds[place + 1]
    if left in ATOMS and right in {",", "::", "+", "@", "^", "*", "-"}:
        yield _without(site, place, place + 2, f"remove operand {right}")
    if right in ATOMS and left in {",", "::", "+", "@", "^", "*", "-", "/"}:
        yield _without(site, place, place + 2, f"remove {left} operand")
    if left in {"(", "["} and right in {")", "]"}:
        yield _without(site, place, place + 2, f"remove {left}{right}")
    if left == "::" and kinds[place + 1 : place + 3] == ("[", "]"):
        yield _without(site, place, place + 3, "remove :: []")


def _without(site: Site, first: int, last: int, rule: str) -> Change:
    return site.replacement(first, last, b"", "remove", rule)
