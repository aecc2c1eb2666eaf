"""What a model is asked: first for a description, then to condense it; with examples that no project holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from greenloop.mining.prompting.form import Form, Length, Style
from greenloop.models.seam import Message, Request
from greenloop.prompts.diagnostics import show_diagnostic
from greenloop.records import Diagnostic, Edit
from greenloop.workspace.edits.reply_writer import render_reply

_MOST_ERRORS = 3
_MESSAGE_BYTES = 600
_MOST_HIDDEN = 40
_DESCRIBE = """\
You describe a change to a program in two or three plain sentences: what was wrong, or what was wanted, and what the \
edit does about it. Name only what the edit or the error names. No code, no lists, no line numbers."""
_CONDENSE = """\
You write what a developer would have typed to ask for a change, before it was made. Keep to the number of words and \
the style that are asked for. Name nothing but what is in the description or the error, none of the forbidden words, \
and no line numbers. Reply with the request alone."""
_STYLES = {
    Style.IMPERATIVE: "an order in lower case, without a full stop",
    Style.SENTENCE: "a sentence with a capital and a full stop",
    Style.QUESTION: "a question with a question mark",
    Style.TELEGRAPHIC: "notes without verbs of order, articles and pronouns",
}


@dataclass(frozen=True, slots=True)
class Shot:
    """One worked example, with a request in each of two forms."""

    facts: str
    description: str
    requests: tuple[tuple[Form, str], ...]


SHOTS = (
    Shot(
        'File "orchard/harvest.ml", line 9, characters 14-21:\nError: Unbound value baskets\n\n'
        "orchard/harvest.ml\n<<<<\n  weigh (List.length baskets)\n====\n  weigh (List.length crates)\n>>>>",
        "weigh_all in orchard/harvest.ml used baskets, which is not bound. The edit counts crates in its place.",
        (
            (Form(Length.SHORT, Style.IMPERATIVE), "fix the unbound baskets in harvest.ml"),
            (Form(Length.SHORTEST, Style.TELEGRAPHIC), "baskets unbound"),
        ),
    ),
    Shot(
        'File "orchard/ladder.ml", line 4, characters 20-26:\nError: This expression has type rung list but an '
        "expression was expected of type rung\n\norchard/ladder.ml\n<<<<\nlet climb rungs = step rungs\n====\n"
        "let climb rungs = List.iter step rungs\n>>>>",
        "climb in orchard/ladder.ml gave a rung list to step, which takes one rung. The edit steps on each of them.",
        (
            (Form(Length.LONG, Style.QUESTION), "can you fix the type error in climb in ladder.ml?"),
            (Form(Length.SHORT, Style.SENTENCE), "Make climb in ladder.ml type-check."),
        ),
    ),
)
"""An orchard: words that code seldom holds, so that a copy of them is found out as naming what is not there."""
ANSWERS: tuple[str, ...] = tuple(
    text for shot in SHOTS for text in (shot.description, *(request for _, request in shot.requests))
)


def facts(diagnostics: Sequence[Diagnostic], edit: Edit) -> str:
    """Return the first errors as a compiler prints them, without code, and the edit as a reply would give it."""
    said = [show_diagnostic(one, (), message_bytes=_MESSAGE_BYTES) for one in diagnostics[:_MOST_ERRORS]]
    return _unicode("\n\n".join([*said, render_reply(edit)]))


def description_request(example_facts: str) -> Request:
    """Return the request for a description."""
    shots = [turn for shot in SHOTS for turn in (Message("user", shot.facts), Message("assistant", shot.description))]
    messages = (Message("system", _DESCRIBE), *shots, Message("user", example_facts))
    return Request(messages, max_tokens=160)


def condensing_request(
    description: str, diagnostics: Sequence[Diagnostic], form: Form, hidden: Sequence[str]
) -> Request:
    """Return the request for a prompt of ``form``; ``hidden`` are words that it must not have."""
    shots = [
        turn
        for shot in SHOTS
        for wanted, request in shot.requests
        for turn in (Message("user", _order(shot.description, "", wanted, ())), Message("assistant", request))
    ]
    said = "\n\n".join(show_diagnostic(one, (), message_bytes=_MESSAGE_BYTES) for one in diagnostics[:1])
    asked = _order(description, said, form, hidden)
    return Request((Message("system", _CONDENSE), *shots, Message("user", asked)), max_tokens=96)


def _order(description: str, error: str, form: Form, hidden: Sequence[str]) -> str:
    parts = [f"Description: {description}"]
    parts += [f"Error:\n{error}"] if error else []
    parts += [f"Forbidden words: {', '.join(hidden[:_MOST_HIDDEN])}"] if hidden else []
    parts += [f"Words: {form.length.least} to {form.length.most}", f"Style: {_STYLES[form.style]}"]
    return _unicode("\n".join(parts))


def _unicode(text: str) -> str:
    # what is no Unicode (half of a surrogate pair, from a file name) no model can be sent
    return text.encode("utf-8", "replace").decode("utf-8")
