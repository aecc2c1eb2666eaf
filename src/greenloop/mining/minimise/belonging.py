"""Which parts of a person's change belong to the few that the error asked for.

A hunk is put back when, seen from some minimal hunk,

1. it lies in the same top-level definition of the same file (by the new text; by the old one where lines only go), or
2. it defines, declares or drops a top-level name that the minimal hunk lies in, in the same module: its ``.ml`` or
   ``.mli``, or
3. it spells, on lines that come or go, a name that the minimal hunk brings or takes away, in any file.

So a call of a mended function that merely came along stays out, and one of a function that got a new name comes in.
What is put back puts nothing back itself.
"""

from collections.abc import Iterable

from greenloop.mining.split.facts import Facts, facts_of
from greenloop.mining.split.fragments import Parts


def belonging(parts: Parts, minimal: Iterable[int]) -> frozenset[int]:
    """Return the numbers of the fragments outside ``minimal`` that belong to it by the rule above."""
    chosen = frozenset(minimal)
    facts = [facts_of(fragment) for fragment in parts.fragments]
    return frozenset(
        number
        for number, one in enumerate(facts)
        if number not in chosen and any(_belongs(one, facts[other]) for other in chosen)
    )


def _belongs(one: Facts, minimal: Facts) -> bool:
    names = one.brings | one.loses | one.touches
    if one.stem == minimal.stem and (_definitions(one) & _definitions(minimal) or names & minimal.touches):
        return True
    return bool((names | one.uses | one.used) & (minimal.brings | minimal.loses))


def _definitions(one: Facts) -> frozenset[tuple[str, bool, int]]:
    """The top-level items that a fragment lies in: (path, by the new text, first line)."""
    # the text before a fix may not parse, and its items are a guess then
    new = bool(one.new_items)
    held = one.new_items if new else one.old_items
    return frozenset((one.fragment.path, new, item.first_line) for item in held)
