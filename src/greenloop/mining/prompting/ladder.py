"""The ladder of one example: every wording that is true of it, in every style that fits, from detailed to short."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from greenloop.mining.changed import words
from greenloop.mining.prompting.form import ORDERS, Form, Length, Style, form_of, spoken_words
from greenloop.mining.prompting.wordings import Wording


@dataclass(frozen=True, slots=True)
class Phrase:
    """A prompt that the rules can give, its form, and its weight among those of the same form."""

    weight: int
    text: str
    form: Form


def ladder(wordings: Iterable[Wording], names: Mapping[str, str], hidden: frozenset[str]) -> tuple[Phrase, ...]:
    """Return what can be said without a ``hidden`` word, each text once, the longest first."""
    found: dict[str, Phrase] = {}
    fresh = frozenset(word.encode("utf-8", "replace") for word in hidden)
    for wording in wordings:
        text = filled(wording.text, names)
        if text is None:
            continue
        for weight, styled in _styled(wording.weight, text, named=_begins_with_a_name(wording.text)):
            form = form_of(styled)
            if form is not None and styled not in found and fresh.isdisjoint(words(styled.encode("utf-8", "replace"))):
                found[styled] = Phrase(weight, styled, form)
    return tuple(sorted(found.values(), key=lambda one: (-len(spoken_words(one.text)), one.text)))


def filled(wording: str, names: Mapping[str, str]) -> str | None:
    """Return the wording with its names, or ``None`` where one is unknown."""
    try:
        return wording.format_map(names)
    except KeyError:
        return None


def _begins_with_a_name(wording: str) -> bool:
    return wording.startswith("{") and not wording.startswith(("{order}", "{kind}"))


def _styled(weight: int, text: str, *, named: bool) -> Iterator[tuple[int, str]]:
    """Yield ``text`` and what can be made of it; one that begins with a name of the code keeps its letters."""
    yield weight, text
    form = form_of(text)
    if form is None or form.style is not Style.IMPERATIVE:
        return
    if not named:
        yield weight, f"{text[0].upper()}{text[1:]}."
    if text.partition(" ")[0] in ORDERS:
        yield from ((weight, f"{lead} {text}?") for lead in ("can you", "could you"))
        if form.length in {Length.SHORTEST, Length.SHORT}:
            yield weight, f"{text}?"
