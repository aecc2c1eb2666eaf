"""What a person would have typed, by rules: short, true, and without hindsight.

People leave out specificity, plan and scope, and the error stands in the context, so most prompts are of the kind
"fix that error". The style is drawn from a weighted list by the example's id: the same example always gets the same
prompt. A style may name only what the red tree or its diagnostics hold; line numbers are never named.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greenloop.mining.changed import ChangedFile, words
from greenloop.records import Category, Diagnostic, Severity


@dataclass(frozen=True, slots=True)
class Style:
    """A wording and its weight. Names in braces are filled in; a wording whose name is unknown is left out."""

    weight: int
    wording: str


ALWAYS: tuple[Style, ...] = (
    Style(24, "fix that error"),
    Style(12, "fix this"),
    Style(8, "fix the error"),
    Style(6, "it doesn't compile, fix it"),
    Style(6, "make it compile"),
    Style(4, "why doesn't this compile? please fix it"),
    Style(4, "Fix that error."),
    Style(3, "repair this please"),
    Style(6, "fix the error in {name}"),
    Style(3, "{name} doesn't compile, fix it"),
    Style(2, "fix the error in {file}"),
)
_TESTS: tuple[Style, ...] = (
    Style(24, "fix that failure"),
    Style(12, "fix this"),
    Style(8, "make the tests pass"),
    Style(6, "a test fails, fix it"),
)
_SPECIFIC: dict[Category, tuple[Style, ...]] = {
    Category.SYNTAX: (
        Style(10, "fix the syntax error"),
        Style(4, "fix the syntax error in {name}"),
        Style(2, "there is a syntax error in {file}, fix it"),
    ),
    Category.TYPE: (
        Style(10, "fix the type error"),
        Style(5, "fix the type error in {name}"),
        Style(3, "make {name} type-check"),
    ),
    Category.UNBOUND: (
        Style(8, "fix the unbound name"),
        Style(6, "{unbound} is unbound, fix that"),
        Style(4, "fix the unbound {unbound}"),
    ),
    Category.DEPENDENCY: (Style(10, "fix that dependency"), Style(5, "a dependency is missing, fix that")),
    Category.WARNING: (Style(24, "fix that warning"), Style(8, "get rid of this warning")),
}
_UNBOUND = re.compile(r"Unbound [a-z ]*?([A-Za-z_][\w'.]*)\s*(?:$|\n)")
_NAME = re.compile(r"[A-Za-z_][\w']*")


def prompt_for(
    example_id: str, category: Category, diagnostics: Sequence[Diagnostic], files: Sequence[ChangedFile]
) -> str | None:
    """Return the prompt of an example, or ``None`` when every wording would name what only the new code has.

    ``diagnostics`` are those of the red tree, ``files`` the files that the fix changes.
    """
    names = _names(category, diagnostics, files)
    hidden = hindsight(diagnostics, files)
    wordings = ((style.weight, filled(style.wording, names)) for style in _styles(category))
    usable = [(weight, prompt) for weight, prompt in wordings if prompt is not None]
    while usable:
        chosen = drawn(example_id, usable)
        if not leaks(chosen[1], hidden):
            return chosen[1]
        usable.remove(chosen)
    return None


def hindsight(diagnostics: Iterable[Diagnostic], files: Iterable[ChangedFile]) -> frozenset[str]:
    """Return the words that the new code holds and neither the old code nor the diagnostics do."""
    known: set[bytes] = set()
    fresh: set[bytes] = set()
    for file in files:
        known |= file.old_words | words(file.path.encode("utf-8", "replace"))
        fresh |= file.new_words
    for diagnostic in diagnostics:
        known |= words(diagnostic.message.encode("utf-8", "replace"))
    return frozenset(word.decode("utf-8", "replace") for word in fresh - known)


def leaks(prompt: str, hidden: frozenset[str]) -> bool:
    """Whether ``prompt`` has one of the ``hidden`` words."""
    spoken = words(prompt.encode("utf-8", "replace"))
    return any(word.encode("utf-8", "replace") in spoken for word in hidden)


def _styles(category: Category) -> tuple[Style, ...]:
    if category is Category.TEST:
        return _TESTS
    if category is Category.WARNING:
        return _SPECIFIC[category] + (Style(12, "fix this"),)
    return ALWAYS + _SPECIFIC.get(category, ())


def _names(category: Category, diagnostics: Sequence[Diagnostic], files: Sequence[ChangedFile]) -> dict[str, str]:
    """Return what the wordings may name: the file and the definition of the first error, the name it misses."""
    error = next((d for d in diagnostics if d.severity is Severity.ERROR), None)
    if error is None or error.path is None:
        return {}
    names = {"file": error.path.rpartition("/")[2]}
    missing = _UNBOUND.search(error.message)
    if category is Category.UNBOUND and missing is not None:
        names["unbound"] = missing[1]
    held = next((file.old_items for file in files if file.path == error.path), ())
    for item in held:
        # the last one wins, as in syntax.enclosing
        if error.span is not None and item.first_line <= error.span.line <= item.last_line:
            names.pop("name", None)
            if item.name is not None and _NAME.fullmatch(item.name):
                names["name"] = item.name
    return names


def filled(wording: str, names: dict[str, str]) -> str | None:
    """Return the wording with its names, or ``None`` where one is unknown."""
    try:
        return wording.format_map(names)
    except KeyError:
        return None


def drawn(example_id: str, usable: Sequence[tuple[int, str]]) -> tuple[int, str]:
    """Return one of ``usable`` (weight, prompt) by the example's id: always the same one."""
    total = sum(weight for weight, _ in usable)
    left = int.from_bytes(hashlib.sha256(f"prompt {example_id}".encode()).digest()[:8], "big") % total
    for entry in usable:
        left -= entry[0]
        if left < 0:
            return entry
    raise AssertionError("the weights add up to the total")
