"""What a model's words must not be: each rule one function, each with the name under which its refusals are counted."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from greenloop.mining.prompting.evidence import Evidence
from greenloop.mining.prompting.few_shot import ANSWERS
from greenloop.mining.prompting.form import Form, length_of, spoken_words, style_of
from greenloop.mining.prompting.vocabulary import VOCABULARY, stems

MOST_DESCRIPTION_WORDS = 90
_MOST_PROMPT_WORDS = 40
_NEAR = 0.7
"""The Jaccard index of words from which an answer is a few-shot example again; as low as near-duplicates are cut."""
_REFUSAL = re.compile(
    r"\b(?:i(?:'m| am) (?:sorry|unable|afraid)|sorry|as an? (?:ai|assistant|language model)|i (?:cannot|can't|can not)"
    r"|(?:here is|here's|sure[,!]))",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"```|~~~|<<<<|====|>>>>|https?:|www\.|\bfile:/|^\s*(?:[-*#>]|\d+[.)])\s", re.MULTILINE)
_HASH = re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b")
_LINE_NUMBER = re.compile(r"\b(?:lines?|characters?|columns?)\W{0,2}\d", re.IGNORECASE)
_TOKEN = re.compile(r"[\w./\\'-]+")
_FILE = re.compile(
    r".*\.(?:mli?|mll|mly|opam|re|rei|c|h|cpp|hpp|py|js|ts|go|rs|java|rb|sh|txt|md|json|toml|ya?ml|xml|html|css|sql|exe|lock)"
)
"""A name with a dot that is a file and no value of a module."""
_NUMBER = re.compile(r"\d[\d.]*")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a text was asked for: ``form`` is that of a prompt, ``None`` of a description."""

    evidence: Evidence
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """``fails`` says whether a text must not stand."""

    name: str
    fails: Callable[[str, Asked], bool]


def _empty(text: str, _asked: Asked) -> bool:
    return not spoken_words(text)


def _too_long(text: str, asked: Asked) -> bool:
    most = MOST_DESCRIPTION_WORDS if asked.form is None else _MOST_PROMPT_WORDS
    return len(spoken_words(text)) > most or (asked.form is not None and "\n" in text)


def _control(text: str, asked: Asked) -> bool:
    """Whether there is anything that a keyboard does not give: escapes, half characters, marks of direction."""
    return not (text if asked.form else text.replace("\n", " ")).isprintable()


def _refusal(text: str, _asked: Asked) -> bool:
    return _REFUSAL.search(text[:120]) is not None


def _marked_up(text: str, _asked: Asked) -> bool:
    return _MARKUP.search(text) is not None or _HASH.search(text) is not None


def _few_shot(text: str, _asked: Asked) -> bool:
    said = {word.lower() for word in spoken_words(text)}
    given = ({word.lower() for word in spoken_words(answer)} for answer in ANSWERS)
    return any(said and len(said & one) / len(said | one) >= _NEAR for one in given)


def _line_number(text: str, _asked: Asked) -> bool:
    return _LINE_NUMBER.search(text) is not None


def _hindsight(text: str, asked: Asked) -> bool:
    hidden = asked.evidence.hidden
    tokens = {piece for token in _tokens(text) for piece in (token, *re.split(r"[./\\-]", token))}
    return any(word.lower() in hidden for word in tokens)


def _other_class(text: str, asked: Asked) -> bool:
    small = " ".join(text.lower().split())
    said = (name for name in asked.evidence.others if re.search(rf"\b{re.escape(name)}\b", small))
    return any(not set(name.split()) <= asked.evidence.spelled for name in said)


def _outside(text: str, asked: Asked) -> bool:
    return any(not _known(token, asked.evidence) for token in _tokens(text))


def _wrong_length(text: str, asked: Asked) -> bool:
    return asked.form is not None and length_of(text) is not asked.form.length


def _wrong_style(text: str, asked: Asked) -> bool:
    return asked.form is not None and style_of(text) is not asked.form.style


DESCRIPTION_CHECKS: tuple[Check, ...] = (
    Check("empty", _empty),
    Check("too long", _too_long),
    Check("a character that nobody types", _control),
    Check("a refusal, or talk", _refusal),
    Check("code, a link or a hash", _marked_up),
    Check("a few-shot example again", _few_shot),
    Check("a line number", _line_number),
    Check("another class of error", _other_class),
    Check("names what is not there", _outside),
)
PROMPT_CHECKS: tuple[Check, ...] = (
    *DESCRIPTION_CHECKS[:-1],
    Check("hindsight", _hindsight),
    DESCRIPTION_CHECKS[-1],
    Check("not of the drawn length", _wrong_length),
    Check("not of the drawn style", _wrong_style),
)


def _tokens(text: str) -> Iterator[str]:
    for token in _TOKEN.findall(text):
        bare = token.strip(".,'-/\\")
        if bare:
            yield bare


def _known(token: str, held: Evidence) -> bool:
    """Whether a token is English that needs no evidence, or stands in the example."""
    if token in held.paths or any(path.endswith(f"/{token}") for path in held.paths):
        return True
    if _NUMBER.fullmatch(token):
        return token in held.numbers
    pieces = [piece for piece in re.split(r"[./\\-]", token) if piece]
    # a file or a folder that is not there may be made of words that are
    if _FILE.fullmatch(token) or ("/" in token and not all(_plain(piece) for piece in pieces)):
        return False
    return all(_plain(piece) or _held(piece, held) for piece in pieces)


def _plain(piece: str) -> bool:
    return (piece.islower() or piece.istitle() or piece == "I") and not VOCABULARY.isdisjoint(stems(piece))


def _held(piece: str, held: Evidence) -> bool:
    if piece[0].isdigit():
        return piece in held.numbers
    # an identifier is there as it is spelled; only a plain word may be a form of one that is
    forms = (
        stems(piece) if piece.isalpha() and piece[1:].islower() else (piece.lower(), piece.lower().removesuffix("'s"))
    )
    return not held.spelled.isdisjoint(forms)
