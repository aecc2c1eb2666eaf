"""Two things in the wrong order: neighbours, the sides of an operator, a call and the bracket before its argument."""

from collections.abc import Iterator

from greenloop.candidates.mechanical.runs import closing_of, group_at, group_before
from greenloop.candidates.mechanical.site import Change, Site

_OPERATORS = frozenset({"::", "@", "^", "-", "/", ",", "->", "<", ">", "mod"})
_LONGEST = 12


def swapping(site: Site) -> Iterator[Change]:
    """Yield every swap."""
    for place in range(site.begin, site.stop):
        middle = group_at(site, place, _LONGEST)
        end = None if middle is None else group_at(site, middle, _LONGEST)
        in_path = place > 0 and site.kinds[place - 1] == "."
        if middle is not None and end is not None and not in_path:
            yield _swapped(site, place, middle, middle, end, "swap neighbours")
            last = group_at(site, end, _LONGEST)
            if last is not None:
                # the arguments of a call that has three parts
                yield _swapped(site, place, middle, end, last, "swap around")
        if middle is not None and not in_path:
            yield from _into_bracket(site, place, middle)
        if site.kinds[place] in _OPERATORS:
            yield from _sides(site, place)


def _sides(site: Site, operator: int) -> Iterator[Change]:
    right = group_at(site, operator + 1, _LONGEST)
    left = group_before(site, operator, _LONGEST)
    if right is None or left is None:
        return
    kind = site.kinds[operator]
    yield _swapped(site, left, operator, operator + 1, right, f"swap {kind}")
    call = group_before(site, left, _LONGEST)
    if call is not None:
        yield _swapped(site, call, operator, operator + 1, right, f"swap call {kind}")
    argument = group_at(site, right, _LONGEST)
    if argument is not None:
        yield _swapped(site, left, operator, operator + 1, argument, f"swap {kind} call")


def _into_bracket(site: Site, first: int, bracket: int) -> Iterator[Change]:
    """``abs (x)`` as ``(abs x)``; and back out, where the bracket holds a name and more."""
    if bracket < len(site.kinds) and site.kinds[bracket] == "(":
        closing = closing_of(site, bracket, _LONGEST)
        if closing is not None and closing > bracket + 1:
            inner = site.text(bracket + 1, closing + 1)
            text = b"(" + site.text(first, bracket) + b" " + inner
            yield site.replacement(first, closing + 1, text, "swap", "swap name (")
    if first and site.kinds[first - 1] == "(" and bracket < len(site.kinds):
        closing = closing_of(site, first - 1, _LONGEST)
        if closing is not None and closing > bracket:
            text = site.text(first, bracket) + b" (" + site.text(bracket, closing + 1)
            yield site.replacement(first - 1, closing + 1, text, "swap", "swap ( name")


def _swapped(site: Site, left: int, left_end: int, right: int, right_end: int, rule: str) -> Change:
    between = site.source[site.tokens[left_end - 1].end : site.tokens[right].start]
    text = site.text(right, right_end) + between + site.text(left, left_end)
    return site.replacement(left, right_end, text, "swap", rule)
