"""The form of a prompt, by which distributions are stated and measured: how many words, and in which style."""

import string
from dataclasses import dataclass
from enum import StrEnum


class Length(StrEnum):
    """A bucket of lengths: the least and the most words."""

    SHORTEST = "1-3"
    SHORT = "4-7"
    LONG = "8-15"
    LONGEST = "16-40"

    @property
    def least(self) -> int:
        """The fewest words."""
        return int(self.partition("-")[0])

    @property
    def most(self) -> int:
        """The most words; a longer prompt belongs to no bucket."""
        return int(self.partition("-")[2])


class Style(StrEnum):
    """How a prompt is put, told by its form alone, so that a person's words can be measured as well."""

    IMPERATIVE = "imperative"
    """What is none of the others: ``fix the type error in area``."""
    SENTENCE = "sentence"
    """From a capital to a full stop or an exclamation mark: ``Fix the type error in area.``"""
    QUESTION = "question"
    """It ends with a question mark: ``can you fix that?``"""
    TELEGRAPHIC = "telegraphic"
    """No order, and without articles, pronouns and auxiliary verbs: ``type error in area``."""


@dataclass(frozen=True, slots=True)
class Form:
    """A length and a style."""

    length: Length
    style: Style


FUNCTION_WORDS: frozenset[str] = frozenset(
    """
    a an the this that these those it its there i we you he she they me us my our your is are was were be been am do
    does did has have had can could will would shall should may might must doesn't don't isn't aren't wasn't can't
    won't please
    """.split()  # noqa: SIM905 - a list of fifty quoted words is harder to read
)
"""Articles, pronouns, auxiliary verbs and ``please``: what telegraphic speech leaves out."""
ORDERS: frozenset[str] = frozenset(
    """
    adapt add adjust allow apply avoid bump call change check clean comment complete convert copy correct create debug
    delete do document drop enable ensure expose extend extract find finish fix format generate get give handle have
    implement improve inline introduce keep let look make mend merge migrate move optimise optimize parse port print
    put read refactor remove rename reorder repair replace restore return revert rework rewrite run see set show
    simplify solve sort split start stop support swap switch take tidy try turn undo unify update upgrade use wrap write
    """.split()  # noqa: SIM905 - as above
)
"""Verbs with which people begin what they ask for; names of code are rarely among them."""
_MARKS = string.punctuation + "…“”«»—"
_BOUNDS = tuple((length, length.least, length.most) for length in Length)


def spoken_words(text: str) -> list[str]:
    """Return the words of ``text`` between blanks, without the marks around them; marks alone are no word."""
    return [word for part in text.split() if (word := _bare(part))]


def length_of(text: str) -> Length | None:
    """Return the bucket of ``text``; ``None`` when it has no word, or more than the longest bucket allows."""
    return _length(spoken_words(text))


def style_of(text: str) -> Style:
    """Return the style of ``text``."""
    return _style(text.strip(), spoken_words(text))


def form_of(text: str) -> Form | None:
    """Return the form of ``text``; ``None`` when no bucket has its length."""
    words = spoken_words(text)
    length = _length(words)
    return None if length is None else Form(length, _style(text.strip(), words))


def _bare(part: str) -> str:
    bare = part.strip(_MARKS)
    # a single letter after an apostrophe is a type variable, no article
    return f"'{bare}" if len(bare) == 1 and f"'{bare}" in part and f"'{bare}'" not in part else bare


def _length(words: list[str]) -> Length | None:
    return next((length for length, least, most in _BOUNDS if least <= len(words) <= most), None)


def _style(text: str, words: list[str]) -> Style:
    if text.endswith("?"):
        return Style.QUESTION
    if text[:1].isupper() and text.endswith((".", "!")):
        return Style.SENTENCE
    small = [word.lower() for word in words]
    if small and small[0] not in ORDERS and FUNCTION_WORDS.isdisjoint(small):
        return Style.TELEGRAPHIC
    return Style.IMPERATIVE
