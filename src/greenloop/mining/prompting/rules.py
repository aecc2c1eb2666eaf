"""The prompt of an example by rules: asked of nobody, always there, the same for the same example.

People leave out specificity, plan, scope and context, and the error stands in the context: so the wished form of most
prompts is short, and "fix that error" is the most frequent one.
"""

from collections.abc import Sequence

from greenloop.mining.changed import ChangedFile
from greenloop.mining.prompting import slots, wordings
from greenloop.mining.prompting.distribution import Distribution, drawn
from greenloop.mining.prompting.form import Form, Length
from greenloop.mining.prompting.hindsight import hindsight, leaks
from greenloop.mining.prompting.ladder import Phrase, ladder
from greenloop.records import Category, Diagnostic, Severity

USUAL = Distribution()
_PLACES = {length: place for place, length in enumerate(Length)}


def prompt_for(
    example_id: str,
    category: Category,
    diagnostics: Sequence[Diagnostic],
    files: Sequence[ChangedFile],
    title: str = "",
    *,
    distribution: Distribution = USUAL,
) -> str | None:
    """Return the prompt of an example, or ``None`` when every wording would name what only the new code has.

    ``diagnostics`` are those of the tree before the change, ``files`` the files that it changes, ``title`` what people
    called it. The form is drawn from ``distribution`` by the id; where nothing true has that form, the nearest stands.
    """
    found = phrases(category, diagnostics, files, title)
    return choose(found, example_id, distribution) if found else None


def choose(found: Sequence[Phrase], example_id: str, distribution: Distribution = USUAL) -> str:
    """Return the one of ``found``, which holds at least one, that the example of this id draws."""
    wish = distribution.wish(example_id)
    distances = [_distance(one.form, wish) for one in found]
    nearest = min(distances)
    held = [(one.weight, one.text) for one, far in zip(found, distances, strict=True) if far == nearest]
    return drawn("prompt", example_id, held)


def phrases(
    category: Category, diagnostics: Sequence[Diagnostic], files: Sequence[ChangedFile], title: str = ""
) -> tuple[Phrase, ...]:
    """Return the whole ladder of an example, the longest first."""
    hidden = hindsight(diagnostics, files)
    if any(one.severity is Severity.ERROR for one in diagnostics) or category is not Category.OTHER:
        return ladder(wordings.of_error(category), slots.of_error(category, diagnostics, files), hidden)
    # warnings that a green tree keeps are not what the change is about
    names = {key: value for key, value in slots.of_change(title, files).items() if not leaks(value, hidden)}
    return ladder(wordings.of_change(files), names, hidden)


def _distance(form: Form, wish: Form) -> tuple[int, bool]:
    """How far a form is from the wished one: how long a prompt is says more of it than its style."""
    return abs(_PLACES[form.length] - _PLACES[wish.length]), form.style is not wish.style
